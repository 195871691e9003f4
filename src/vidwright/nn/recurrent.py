"""Recurrence over frames: networks that remember, a map of states for a map of features.

Each layer has two halves. `drive` is all that the input alone decides and runs over all frames at once; `step` is what
needs the state and runs frame by frame. `forward` is the two together, so a clip as a whole and frame by frame give
the same.

Shapes: B batch, T time, C channels, H height, W width; G = 4 C or 3 C, the gates side by side.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: A ConvLSTM's state: what it shows, and what it keeps, each (B, C, H, W).
LSTMState = tuple[Tensor, Tensor]


class ConvLSTM(nn.Module):
    """A long short-term memory at every position, whose gates see the neighbourhood: Shi et al. 2015.

    Without that paper's peepholes (gates that look at the kept state), which later work found to earn nothing.
    Gates are in the order of `torch.nn.LSTMCell`: input, forget, candidate, output. `kernel` is odd, and is that of
    the state's convolution; the input's is 3x3 unless the state's is 1x1. The forget gate starts at a bias of 1, so
    that memory lasts before anything is learned: Jozefowicz et al. 2015.
    """

    def __init__(self, inputs: int, channels: int, *, kernel: int = 3) -> None:
        super().__init__()
        self.channels = channels
        self.input = nn.Conv2d(inputs, 4 * channels, min(kernel, 3), padding=min(kernel, 3) // 2)
        self.state = nn.Conv2d(channels, 4 * channels, kernel, padding=kernel // 2, bias=False)
        with torch.no_grad():
            self.bias[channels : 2 * channels].fill_(1.0)

    @property
    def bias(self) -> Tensor:
        """The gates' one bias, (4 C,)."""
        return self.input.bias  # pyright: ignore[reportReturnType]

    def start(self, like_BCHW: Tensor) -> LSTMState:
        """The state before the first frame, of the batch and size of `like_BCHW`: nothing."""
        batch, _, height, width = like_BCHW.shape
        nothing = like_BCHW.new_zeros(batch, self.channels, height, width)
        return nothing, nothing

    def drive(self, x_BTCHW: Tensor) -> Tensor:
        """The input's share of the gates, for all frames at once: (B, T, C, H, W) -> (B, T, G, H, W)."""
        return self.input(x_BTCHW.flatten(0, 1)).unflatten(0, x_BTCHW.shape[:2])

    def step(self, drive_BGHW: Tensor, state: LSTMState) -> LSTMState:
        """The state after one more frame."""
        shown_BCHW, kept_BCHW = state
        gates = (drive_BGHW + self.state(shown_BCHW)).chunk(4, dim=1)
        enter, keep, show = (torch.sigmoid(gates[n]) for n in (0, 1, 3))
        kept_BCHW = keep * kept_BCHW + enter * torch.tanh(gates[2])
        return show * torch.tanh(kept_BCHW), kept_BCHW

    def forward(self, x_BTCHW: Tensor, state: LSTMState | None = None) -> tuple[Tensor, LSTMState]:
        """What is shown after each frame, (B, T, C, H, W), and the state after the last."""
        drive_BTGHW = self.drive(x_BTCHW)
        state = self.start(drive_BTGHW[:, 0]) if state is None else state
        shown: list[Tensor] = []
        for drive_BGHW in drive_BTGHW.unbind(1):
            state = self.step(drive_BGHW, state)
            shown.append(state[0])
        return torch.stack(shown, dim=1), state


class ConvGRU(nn.Module):
    """A gated recurrent unit at every position, whose gates see the neighbourhood: Ballas et al. 2016.

    Gates and order are those of `torch.nn.GRUCell`: reset, update, candidate, the reset applied to the state's
    convolution. Three gates and one state make it a quarter cheaper than `ConvLSTM`. `kernel` as there.
    """

    def __init__(self, inputs: int, channels: int, *, kernel: int = 3) -> None:
        super().__init__()
        self.channels = channels
        self.input = nn.Conv2d(inputs, 3 * channels, min(kernel, 3), padding=min(kernel, 3) // 2)
        self.state = nn.Conv2d(channels, 3 * channels, kernel, padding=kernel // 2)

    def start(self, like_BCHW: Tensor) -> Tensor:
        """The state before the first frame, of the batch and size of `like_BCHW`: nothing."""
        batch, _, height, width = like_BCHW.shape
        return like_BCHW.new_zeros(batch, self.channels, height, width)

    def drive(self, x_BTCHW: Tensor) -> Tensor:
        """The input's share of the gates, for all frames at once: (B, T, C, H, W) -> (B, T, G, H, W)."""
        return self.input(x_BTCHW.flatten(0, 1)).unflatten(0, x_BTCHW.shape[:2])

    def step(self, drive_BGHW: Tensor, state_BCHW: Tensor) -> Tensor:
        """The state after one more frame."""
        reset, update, candidate = drive_BGHW.chunk(3, dim=1)
        state_reset, state_update, state_candidate = self.state(state_BCHW).chunk(3, dim=1)
        reset = torch.sigmoid(reset + state_reset)
        update = torch.sigmoid(update + state_update)
        candidate = torch.tanh(candidate + reset * state_candidate)
        return torch.lerp(candidate, state_BCHW, update)

    def forward(self, x_BTCHW: Tensor, state_BCHW: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The state after each frame, (B, T, C, H, W), and after the last."""
        drive_BTGHW = self.drive(x_BTCHW)
        state_BCHW = self.start(drive_BTGHW[:, 0]) if state_BCHW is None else state_BCHW
        states: list[Tensor] = []
        for drive_BGHW in drive_BTGHW.unbind(1):
            state_BCHW = self.step(drive_BGHW, state_BCHW)
            states.append(state_BCHW)
        return torch.stack(states, dim=1), state_BCHW


class PositionLSTM(nn.Module):
    """A plain long short-term memory over time, the same one at every position: Hochreiter & Schmidhuber 1997.

    No position sees another; it is `torch.nn.LSTM` on B * H * W sequences, which is what its fast code wants. A clip
    of feature vectors is a map of one position.
    """

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, channels, batch_first=True)

    def forward(self, x_BTCHW: Tensor) -> Tensor:
        """What is shown after each frame: (B, T, inputs, H, W) -> (B, T, channels, H, W)."""
        batch, time, _, height, width = x_BTCHW.shape
        sequences = x_BTCHW.permute(0, 3, 4, 1, 2).flatten(0, 2)
        shown, _ = self.lstm(sequences)
        return shown.reshape(batch, height, width, time, -1).permute(0, 3, 4, 1, 2)
