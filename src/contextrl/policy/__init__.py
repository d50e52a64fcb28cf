"""The policy: loading models and processors, prompts as token ids."""
