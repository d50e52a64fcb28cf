"""What judging may cost in one command."""

from __future__ import annotations

from dataclasses import dataclass

from contextrl.judge.settings import BudgetConfig, PriceConfig


@dataclass
class Budget:
    """Calls are counted before they are made, so their limit is exact; tokens and money when the reply is there, so
    that requests under way may go beyond theirs.
    """

    limits: BudgetConfig
    prices: PriceConfig
    calls: int = 0
    tokens: int = 0
    money: float = 0.0

    def take_call(self) -> bool:
        """Whether one more call is within the budget; counts it if so."""
        if self.spent() is not None:
            return False
        self.calls += 1
        return True

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        """What a reply costs."""
        return (prompt_tokens * self.prices.prompt + completion_tokens * self.prices.completion) / 1e6

    def spend(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Count a reply; returns what it cost."""
        cost = self.cost(prompt_tokens, completion_tokens)
        self.tokens += prompt_tokens + completion_tokens
        self.money += cost
        return cost

    def spent(self) -> str | None:
        """Which limit is reached, if any, in words."""
        for name in ("calls", "tokens", "money"):
            limit, used = getattr(self.limits, name), getattr(self, name)
            if limit is not None and used >= limit:
                return f"judge.budget.{name} of {limit:g} is spent"
        return None
