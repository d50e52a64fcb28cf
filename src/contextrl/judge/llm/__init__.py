"""A judge behind any OpenAI-compatible server: prompts, client, parsing, cache (design: "Judge")."""
