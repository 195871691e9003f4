"""A network and the critic that it learns against, as one module: Goodfellow et al. 2014.

    x -- net --> made --+--> critic, held still --> hoped    teaches the network alone
                        '--|--> critic -----------> made     teaches the critic alone; | lets no gradient through
    true ---------------------> critic -----------> true     teaches the critic alone

Both learn in the same step from one sum of losses, whose gradients do not mix. As one module they are saved, resumed,
averaged and copied to processes like any network; validated and shipped is only the part `NET`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.func import functional_call

#: The network's name in the pair.
NET = "net"


class Verdict(NamedTuple):
    """Scores of true pictures, of made ones for the critic to learn from, and of the same for the network."""

    true: Tensor
    made: Tensor
    hoped: Tensor


class Rivals(nn.Module):
    """`net` and its `critic`, which is called with a picture and what it was made from."""

    def __init__(self, net: nn.Module, critic: nn.Module) -> None:
        super().__init__()
        self.net, self.critic = net, critic

    def forward(self, x: Tensor, *, true: Tensor, base: Tensor, **options: Any) -> tuple[Any, Verdict]:
        """What the network makes of `x`, a picture or a tuple that begins with one, and what the critic says of it."""
        found = self.net(x, **options)
        made = found[0] if isinstance(found, tuple) else found
        # Detached and not switched off for a while: a graph that is still in use keeps what it was built with.
        still = {name: p.detach() for name, p in self.critic.named_parameters()}
        hoped = functional_call(self.critic, still, (made, base))
        return found, Verdict(self.critic(true, base), self.critic(made.detach(), base), hoped)
