"""The command line: which commands there are, and what becomes of an error.

Commands are imported when they are called, so `vidwright --help` costs no torch.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Sequence

# Idle OpenMP threads spin by default, and starve the decoder and the encoder that share the cores with the network.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# A frame of activations is thousands of small pages, and each costs the kernel more than the network's work on it.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

from cyclopts import App, CycloptsError
from pydantic import ValidationError

from vidwright import __version__
from vidwright.core.errors import UsageError, VidwrightError

DEBUG = "--debug"

app = App(
    name="vidwright",
    help="Generative models for video that a person can really use.",
    help_epilogue="Every command: --debug shows the traceback of an error. Exit codes are listed in docs/command.md.",
    version=__version__,
)
app.command("vidwright.cli.enhance:enhance", help="Deinterlace, clean, enlarge and interpolate videos.")
app.command("vidwright.cli.generate:generate", help="Make videos of a class, a picture, a clip, or nothing at all.")
app.command("vidwright.cli.generate:repro", help="Make a generated file again, with the same bytes.")
app.command("vidwright.cli.edit:edit", help="Remove, replace, recolour and extend what is seen.")
app.command("vidwright.cli.compress:compress", help="Make videos smaller, to a size or a quality that is verified.")
app.command("vidwright.cli.decompress:decompress", help="Undo compress: with the filter that a file carries.")
app.command("vidwright.cli.compare:compare", help="Measure one video against another, with a page to see it.")
app.command("vidwright.cli.inspect:probe", help="Say what a video file holds.")
app.command("vidwright.cli.inspect:models", help="List, describe and verify the models.")
app.command("vidwright.cli.inspect:doctor", help="Check this machine and this installation.")
app.command("vidwright.cli.train:train", help="Train a model on a folder of clips.")
app.command("vidwright.cli.train:evaluate", help="Measure a trained model by its own task.")
app.command("vidwright.cli.train:weights", help="Weights of your own.")
app.command("vidwright.cli.data:data", help="Prepare folders of clips for training.")
app.command("vidwright.cli.demo:demo", help="Enlarge the sample clip and show before and after.")
app.command("vidwright.cli.bench:bench", help="Measure quality and speed; prints the tables of the README.")
app.register_install_completion_command()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """Run one command; returns the exit code. Errors are three lines on stderr, as JSON on stdout with `--json`."""
    debug = DEBUG in arguments
    try:
        result = app(
            [argument for argument in arguments if argument != DEBUG],
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
        return result if isinstance(result, int) else 0
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except (VidwrightError, CycloptsError, ValidationError) as error:
        known = error if isinstance(error, VidwrightError) else _usage_error(error)
        if debug:
            traceback.print_exc()
        if "--json" in arguments:
            print(json.dumps({"schema": 1, "error": error_as_json(known)}))
        print(f"error: {known}", file=sys.stderr)
        return known.exit_code
    except BrokenPipeError:
        sys.stdout = None  # the reader of our output went away, as `head` does: nothing is left to say
        return 0
    except Exception as error:
        if debug:
            raise
        print(
            f"error: vidwright itself failed\n  cause: {type(error).__name__}: {' '.join(str(error).split())}"
            "\n  next:  run again with --debug and report what it prints",
            file=sys.stderr,
        )
        return 1


def error_as_json(error: VidwrightError) -> dict[str, str | int]:
    """An error as data."""
    return {
        "file": error.subject,
        "cause": error.cause,
        "next": error.next_step,
        "exit_code": error.exit_code,
    }


def _usage_error(error: CycloptsError | ValidationError) -> UsageError:
    """One that the parser found; pydantic's words come without the link that it adds to them."""
    source = error if isinstance(error, ValidationError) else error.__cause__
    if isinstance(source, ValidationError):
        first = source.errors()[0]
        option = "--" + "-".join(str(part) for part in first["loc"]).replace("_", "-")
        return UsageError(f"{option} {first['input']}", first["msg"], "see `vidwright COMMAND --help`")
    words = " ".join(str(error).split())
    return UsageError("vidwright", words, "see `vidwright --help`, or `vidwright COMMAND --help`")


if __name__ == "__main__":
    main()
