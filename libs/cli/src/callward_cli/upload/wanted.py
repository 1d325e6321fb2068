"""What is to be sent, beside the files."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from callward_cli.verify.keys import PublicKeys


@dataclass(frozen=True, slots=True)
class Wanted:
    """The call, and how to send. `keys`: pinned public keys; `proof`: wait for it; `again`: also what was sent before."""

    call_id: str
    leg: str | None = None
    started_at: str | None = None
    media_type: str | None = None
    keys: "PublicKeys | None" = None
    proof: bool = False
    again: bool = False
