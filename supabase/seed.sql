-- For local use only: room to try things without waiting for the provider's first-tier limits.
update genflow.settings
  set sign_up_grant_credits = 200, user_start_burst = 1000, user_starts_per_minute = 1000
  where singleton;
update genflow.provider
  set start_burst = 1000, starts_per_minute = 1000, start_tokens = 1000
  where singleton;
