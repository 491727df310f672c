"""What the terminal shows."""

from rich.console import Console

console = Console()
errors = Console(stderr=True)


def failure(message: str) -> None:
    errors.print(f"[bold red]Error:[/] {message}", highlight=False, soft_wrap=True)
