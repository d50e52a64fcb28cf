"""A build's recipe: one YAML file, a section a step. A step without its section is left out."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from contextrl.building.filter_settings import FilterSettings
from contextrl.building.finish_settings import BalanceSettings, DuplicateSettings, WritingSettings
from contextrl.building.import_settings import SourceSettings
from contextrl.building.model_settings import DifficultySettings, ReferenceSettings
from contextrl.errors import nearest_key
from contextrl.settings import Section


class BuildRecipe(Section):
    """What is built, from what, and how."""

    seed: int = 0
    """Of everything that is drawn: two builds with one seed give the same bytes, where the models' servers do."""

    sources: list[SourceSettings] = Field(min_length=1)
    """Where questions come from, in this order."""

    filter: FilterSettings | None = FilterSettings()
    """Questions that rules leave out; null: none."""

    duplicates: DuplicateSettings | None = DuplicateSettings()
    """Near-duplicates and what benchmarks have too; null: nobody looks. Before the models, which cost more."""

    difficulty: DifficultySettings | None = None
    """How often the policy is right; null: nobody tries."""

    references: ReferenceSettings | None = None
    """Reference solutions where there is none to be trusted; null: rows without a solution are left out."""

    balance: BalanceSettings | None = None
    """Sizes and shares; null: all rows are taken."""

    write: WritingSettings = WritingSettings()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [source.unit for source in self.sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"sources: expected a name of its own for each, found {', '.join(twice)} twice")
        trusted = self.references.trusted if self.references is not None else "none"
        if strange := sorted(set(() if isinstance(trusted, str) else trusted) - set(names)):
            raise ValueError(f"references.trusted: expected names of sources, found {', '.join(strange)}")
        for number, group in enumerate(self.balance.groups if self.balance is not None else ()):
            if strange := sorted(set(group.sources) - set(names)):
                near = nearest_key(strange[0], names)
                raise ValueError(
                    f"balance.groups.{number}.sources: expected names of sources ({', '.join(names)}), "
                    f"found {', '.join(strange)}{near}"
                )
        tries = self.difficulty.attempts if self.difficulty is not None else None
        right = self.balance.shares.get("right", {}) if self.balance is not None else {}
        if tries and (beyond := [name for name in right if name.isdecimal() and int(name) > tries]):
            raise ValueError(
                f"balance.shares.right: expected at most difficulty.attempts ({tries}), found {', '.join(beyond)}"
            )
        weighted = self.balance.shares.get("source", {}) if self.balance is not None else {}
        if strange := sorted(set(weighted) - set(names)):
            raise ValueError(f"balance.shares.source: expected names of sources, found {', '.join(strange)}")
        return self
