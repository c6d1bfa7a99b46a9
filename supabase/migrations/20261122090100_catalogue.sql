-- The models that may be asked for, and why a job can fail.

create table public.generation_models (
  id text primary key,
  label text not null,
  description text not null,
  aspect_ratios text[] not null check (cardinality(aspect_ratios) > 0),
  max_images smallint not null default 1 check (max_images between 1 and 15),
  min_inputs smallint not null default 0 check (min_inputs >= 0),
  max_inputs smallint not null default 0 check (max_inputs between min_inputs and 14),
  credits_per_image integer not null check (credits_per_image > 0),
  expected_seconds integer not null check (expected_seconds between 1 and 3600),
  max_prompt_characters integer not null default 2000 check (max_prompt_characters between 1 and 10000),
  provider jsonb not null,
  sort_order integer not null default 0,
  enabled boolean not null default true,
  updated_at timestamptz not null default genflow.clock(),
  -- A ratio that the provider row cannot translate would fail only after the credits were held.
  constraint generation_models_provider_covers_ratios check (provider -> 'ratios' ?& aspect_ratios)
);
comment on table public.generation_models is 'What may be asked: one row a model, prices in credits an image.';
comment on column public.generation_models.provider is
  'How the provider wants it: {path, ratios: {"16:9": {size | aspect_ratio}}, fixed: {}, images_field, inputs_field, seed_field}.';
comment on column public.generation_models.expected_seconds is 'Typical seconds from submit to result; progress and ETA are reckoned from it.';

alter table public.generation_models enable row level security;
create policy "anyone may read the enabled models" on public.generation_models
  for select to anon, authenticated using (enabled);
comment on policy "anyone may read the enabled models" on public.generation_models is 'The catalogue is public; a disabled model is hidden.';
revoke all on table public.generation_models from public, anon, authenticated, service_role;
grant select on table public.generation_models to anon, authenticated, service_role;

-- Sizes are multiples of 16 inside each model's published bounds.
insert into public.generation_models
  (id, label, description, aspect_ratios, max_images, min_inputs, max_inputs, credits_per_image, expected_seconds, sort_order, provider)
values
  ('flux-schnell', 'FLUX.1 schnell', 'Fast drafts.',
   '{1:1,16:9,9:16,4:3,3:4,3:2,2:3}', 4, 0, 0, 1, 4, 10,
   '{"path": "wavespeed-ai/flux-schnell", "images_field": "num_images", "inputs_field": null, "seed_field": "seed",
     "fixed": {"output_format": "jpeg"},
     "ratios": {"1:1": {"size": "1024*1024"}, "16:9": {"size": "1344*768"}, "9:16": {"size": "768*1344"}, "4:3": {"size": "1152*864"},
                "3:4": {"size": "864*1152"}, "3:2": {"size": "1216*816"}, "2:3": {"size": "816*1216"}}}'),
  ('flux-dev', 'FLUX.1 dev', 'Balanced quality, up to four pictures at once.',
   '{1:1,16:9,9:16,4:3,3:4,3:2,2:3}', 4, 0, 0, 2, 11, 20,
   '{"path": "wavespeed-ai/flux-dev", "images_field": "num_images", "inputs_field": null, "seed_field": "seed",
     "fixed": {"output_format": "jpeg"},
     "ratios": {"1:1": {"size": "1024*1024"}, "16:9": {"size": "1344*768"}, "9:16": {"size": "768*1344"}, "4:3": {"size": "1152*864"},
                "3:4": {"size": "864*1152"}, "3:2": {"size": "1216*816"}, "2:3": {"size": "816*1216"}}}'),
  ('z-image-turbo', 'Z-Image Turbo', 'The cheapest picture.',
   '{1:1,16:9,9:16,4:3,3:4}', 1, 0, 0, 1, 3, 30,
   '{"path": "wavespeed-ai/z-image/turbo", "images_field": null, "inputs_field": null, "seed_field": "seed",
     "fixed": {"output_format": "jpeg"},
     "ratios": {"1:1": {"size": "1024*1024"}, "16:9": {"size": "1344*768"}, "9:16": {"size": "768*1344"}, "4:3": {"size": "1152*864"},
                "3:4": {"size": "864*1152"}}}'),
  ('qwen-image', 'Qwen-Image', 'Strong with text in the picture.',
   '{1:1,16:9,9:16,4:3,3:4}', 1, 0, 0, 2, 9, 40,
   '{"path": "wavespeed-ai/qwen-image/text-to-image", "images_field": null, "inputs_field": null, "seed_field": "seed",
     "fixed": {"output_format": "jpeg"},
     "ratios": {"1:1": {"size": "1024*1024"}, "16:9": {"size": "1344*768"}, "9:16": {"size": "768*1344"}, "4:3": {"size": "1152*864"},
                "3:4": {"size": "864*1152"}}}'),
  ('seedream-v4', 'Seedream 4', 'Large, detailed pictures.',
   '{1:1,16:9,9:16,4:3,3:4}', 1, 0, 0, 3, 15, 50,
   '{"path": "bytedance/seedream-v4", "images_field": null, "inputs_field": null, "seed_field": null,
     "fixed": {},
     "ratios": {"1:1": {"size": "2048*2048"}, "16:9": {"size": "2560*1440"}, "9:16": {"size": "1440*2560"}, "4:3": {"size": "2304*1728"},
                "3:4": {"size": "1728*2304"}}}'),
  ('nano-banana', 'Nano Banana', 'Follows long instructions closely.',
   '{1:1,16:9,9:16,4:3,3:4,3:2,2:3,21:9}', 1, 0, 0, 4, 10, 60,
   '{"path": "google/nano-banana/text-to-image", "images_field": null, "inputs_field": null, "seed_field": null,
     "fixed": {"output_format": "jpeg"},
     "ratios": {"1:1": {"aspect_ratio": "1:1"}, "16:9": {"aspect_ratio": "16:9"}, "9:16": {"aspect_ratio": "9:16"}, "4:3": {"aspect_ratio": "4:3"},
                "3:4": {"aspect_ratio": "3:4"}, "3:2": {"aspect_ratio": "3:2"}, "2:3": {"aspect_ratio": "2:3"}, "21:9": {"aspect_ratio": "21:9"}}}'),
  ('nano-banana-edit', 'Nano Banana Edit', 'Changes one to ten reference images as told.',
   '{1:1,16:9,9:16,4:3,3:4,3:2,2:3,21:9}', 1, 1, 10, 4, 12, 70,
   '{"path": "google/nano-banana/edit", "images_field": null, "inputs_field": "images", "seed_field": null,
     "fixed": {"output_format": "jpeg"},
     "ratios": {"1:1": {"aspect_ratio": "1:1"}, "16:9": {"aspect_ratio": "16:9"}, "9:16": {"aspect_ratio": "9:16"}, "4:3": {"aspect_ratio": "4:3"},
                "3:4": {"aspect_ratio": "3:4"}, "3:2": {"aspect_ratio": "3:2"}, "2:3": {"aspect_ratio": "2:3"}, "21:9": {"aspect_ratio": "21:9"}}}'),
  ('qwen-image-edit', 'Qwen-Image Edit Plus', 'Edits with one to three reference images and a fixed seed.',
   '{1:1,16:9,9:16,4:3,3:4}', 1, 1, 3, 3, 14, 80,
   '{"path": "wavespeed-ai/qwen-image/edit-plus", "images_field": null, "inputs_field": "images", "seed_field": "seed",
     "fixed": {"output_format": "jpeg"},
     "ratios": {"1:1": {"size": "1024*1024"}, "16:9": {"size": "1344*768"}, "9:16": {"size": "768*1344"}, "4:3": {"size": "1152*864"},
                "3:4": {"size": "864*1152"}}}');

create table genflow.job_errors (
  code text primary key,
  retryable boolean not null,
  meaning text not null
);
comment on table genflow.job_errors is
  'Why a job failed. The same codes stand in the contract''s error catalogue; a test compares the two.';
revoke all on table genflow.job_errors from public, anon, authenticated, service_role;

insert into genflow.job_errors (code, retryable, meaning) values
  ('moderated', false, 'The provider refused the prompt or the result as unsafe.'),
  ('input_rejected', false, 'The provider refused the request as invalid.'),
  ('input_unreachable', true, 'A reference image could not be read by the provider.'),
  ('model_unavailable', false, 'The provider does not offer this model any more.'),
  ('provider_failed', true, 'The provider failed to make the picture.'),
  ('no_outputs', true, 'The provider reported success but returned no picture.'),
  ('submit_unknown', true, 'It could not be found out in time whether the provider accepted the request.'),
  ('interrupted', true, 'The work was interrupted too often before it reached the provider.'),
  ('processing_timeout', true, 'The provider did not finish in time.'),
  ('queue_expired', true, 'The job waited in the queue longer than allowed.'),
  ('outputs_unusable', true, 'The provider''s output was missing, expired, too large or not an image.'),
  ('storage_timeout', true, 'The picture could not be stored in time.');

-- What a definite failure means for the job. `decision`: fail ends it, requeue tries again. `burns` counts the
-- attempt against settings.max_attempts. `pause_seconds` keeps every claim back, since the cause is the
-- account's and not the job's.
create table genflow.failure_classes (
  class text primary key,
  decision text not null check (decision in ('fail', 'requeue')),
  error_code text references genflow.job_errors (code),
  burns boolean not null,
  pause_seconds integer not null default 0 check (pause_seconds >= 0),
  is_outage boolean default false,
  check (not burns or error_code is not null),
  check (decision = 'requeue' or error_code is not null)
);
create index failure_classes_error on genflow.failure_classes (error_code);
comment on table genflow.failure_classes is 'Decision table: class of a definite failure -> what becomes of the job.';
comment on column genflow.failure_classes.is_outage is 'True counts against the circuit breaker, false is a sign of health, null says nothing of the provider.';
revoke all on table genflow.failure_classes from public, anon, authenticated, service_role;

insert into genflow.failure_classes (class, decision, error_code, burns, pause_seconds, is_outage) values
  ('moderation', 'fail', 'moderated', true, 0, false),
  ('bad_input', 'fail', 'input_rejected', true, 0, false),
  ('input_unreachable', 'fail', 'input_unreachable', true, 0, false),
  ('model_not_found', 'fail', 'model_unavailable', true, 0, false),
  ('rate_limited', 'requeue', null, false, 60, false),
  ('no_credits', 'requeue', null, false, 300, false),
  ('suspended', 'requeue', null, false, 600, false),
  ('unauthorized', 'requeue', null, false, 300, false),
  ('not_sent', 'requeue', 'provider_failed', true, 0, true),
  ('task_failed', 'fail', 'provider_failed', true, 0, false),
  ('refused', 'requeue', 'provider_failed', true, 0, false),
  ('provider_error', 'requeue', 'provider_failed', true, 0, false),
  ('timeout', 'requeue', 'provider_failed', true, 0, false),
  ('cancelled', 'requeue', 'provider_failed', true, 0, false),
  ('deleted', 'requeue', 'provider_failed', true, 0, false),
  ('no_outputs', 'requeue', 'no_outputs', true, 0, false),
  ('absent', 'requeue', 'submit_unknown', true, 0, null),
  ('interrupted', 'requeue', 'interrupted', true, 0, null),
  ('abandoned', 'fail', 'provider_failed', true, 0, null);
