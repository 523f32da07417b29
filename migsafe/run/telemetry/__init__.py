"""What a rollout tells to other programs: events, metrics, spans, webhooks. Formats and senders apart."""
