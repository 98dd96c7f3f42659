-- schema.sql - the tables and views of a results database, version 4.
--
-- Tables hold what was run and what it cost: raw counts and times, one row per forward, units
-- in column names, NULL for what is unknown or does not apply.  Rates and intensities are
-- ratios of sums and live in the views (v_...), which any SQLite since 3.37 can read.
-- results/README.md describes every column.
--
-- Tables, in this order:
--     provenance      build, host, device, invocation
--     what to run     cell
--     what happened   run, price, price_after, forward, forward_op, ceiling, kernel_time
--     interventions   intervention, bound
--     quality         quality, quality_forward, nelbo, corruption, corruption_point
--     counters        counting, forward_counter, forward_kernel, known_work, energy
--     statistics      rank_bound
-- Views:
--     runs            v_run, v_phase, v_op, v_breakdown, v_step, v_gap, v_steadiness
--     roofs           v_ceiling, v_kernel, v_roof
--     roofline        v_point, v_roofline, v_bound, v_same_physics, v_pair_prediction, v_ridge_dial
--     speed           v_throughput, v_loss, v_partner, v_mix, v_break_even, v_round,
--                     v_round_ratio, v_arm, v_pair, v_latency
--     quality         v_quality, v_forward_time, v_speed_at_quality, v_corruption, v_nelbo
--     counters        v_counter, v_pinned_counter, v_model_vs_counter, v_known_work, v_energy,
--                     v_forward_kernel, v_forward_op, v_operation, v_launch_gap,
--                     v_matmul_kernel

PRAGMA application_id = 1380404549; -- "RGME"
PRAGMA user_version = 4;

-- Named facts about the file.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- ---- provenance -------------------------------------------------------------------------
-- Keys are hashes of the row or random UUIDs, so that rows of several files never collide.

-- One row per program that wrote here.
CREATE TABLE build (
    build_id      TEXT PRIMARY KEY CHECK (length(build_id) = 64),
    git_sha       TEXT NOT NULL,
    git_dirty     INTEGER CHECK (git_dirty IN (0, 1)),
    source_sha256 TEXT NOT NULL,
    compiler      TEXT NOT NULL,
    config        TEXT NOT NULL,
    cflags        TEXT NOT NULL,
    sanitizers    TEXT,
    has_cuda      INTEGER NOT NULL CHECK (has_cuda IN (0, 1))
) STRICT, WITHOUT ROWID;

-- One row per machine.
CREATE TABLE host (
    host_id   TEXT PRIMARY KEY CHECK (length(host_id) = 64),
    cpu_model TEXT NOT NULL,
    isa       TEXT NOT NULL,
    l1d_bytes INTEGER CHECK (l1d_bytes > 0),
    l2_bytes  INTEGER CHECK (l2_bytes > 0),
    llc_bytes INTEGER CHECK (llc_bytes > 0),
    mem_bytes INTEGER CHECK (mem_bytes > 0),
    kernel    TEXT,
    os        TEXT
) STRICT, WITHOUT ROWID;

-- One row per thing that computes or is imagined to, on each machine.
CREATE TABLE device (
    device_id   TEXT PRIMARY KEY CHECK (length(device_id) = 64),
    host_id     TEXT REFERENCES host,      -- NULL: imagined, the same everywhere
    device      TEXT NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('cpu', 'cuda', 'sim')),
    description TEXT,
    llc_bytes   INTEGER CHECK (llc_bytes > 0),
    mem_bytes   INTEGER CHECK (mem_bytes > 0),
    CHECK ((kind = 'sim') = (host_id IS NULL))
) STRICT, WITHOUT ROWID;

-- One row per command that wrote here.
CREATE TABLE invocation (
    invocation_id TEXT PRIMARY KEY CHECK (length(invocation_id) = 36),
    build_id      TEXT NOT NULL REFERENCES build,
    host_id       TEXT NOT NULL REFERENCES host,
    device_id     TEXT NOT NULL REFERENCES device,
    n_cpus        INTEGER NOT NULL CHECK (n_cpus > 0),
    argv          TEXT NOT NULL,
    sweep_name    TEXT,
    sweep_text    TEXT,
    seed          INTEGER NOT NULL,
    started_utc   TEXT NOT NULL,
    ended_utc     TEXT,                    -- NULL: still running, or killed
    exit_code     INTEGER,
    CHECK ((ended_utc IS NULL) = (exit_code IS NULL))
) STRICT, WITHOUT ROWID;

-- ---- what was to be run -----------------------------------------------------------------

-- One row per experiment; what equals it is the same cell in every file.
CREATE TABLE cell (
    cell_id       TEXT NOT NULL PRIMARY KEY CHECK (length(cell_id) = 64), -- SHA-256 of canonical
    canonical     TEXT NOT NULL,
    model         TEXT NOT NULL,
    layers        INTEGER CHECK (layers > 0),
    decoder       TEXT NOT NULL,
    dtype         TEXT NOT NULL, kv_dtype TEXT NOT NULL,
    batch_seqs    INTEGER NOT NULL CHECK (batch_seqs > 0),
    batch_policy  TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL CHECK (prompt_tokens >= 0),
    gen_tokens    INTEGER NOT NULL CHECK (gen_tokens >= 0),
    block_tokens  INTEGER CHECK (block_tokens > 0),
    denoise_steps INTEGER CHECK (denoise_steps > 0),
    strategy      TEXT, cache TEXT, logits TEXT, head TEXT,
    temperature   REAL NOT NULL CHECK (temperature >= 0),
    seed          INTEGER NOT NULL,
    threads       INTEGER CHECK (threads > 0), -- as asked for; NULL: one per CPU
    launch_ns     INTEGER NOT NULL CHECK (launch_ns >= 0),
    draft_tokens  INTEGER CHECK (draft_tokens >= 0), -- since version 2, like the next
    acceptance    REAL CHECK (acceptance BETWEEN 0 AND 1),
    refresh_forwards INTEGER CHECK (refresh_forwards > 0), -- since version 3, like the rest
    commit_policy TEXT,
    schedule      TEXT,
    threshold     REAL CHECK (threshold >= 0),
    factor        REAL CHECK (factor >= 0),
    entropy_bound REAL CHECK (entropy_bound >= 0),
    eta           REAL CHECK (eta >= 0),
    depth_tokens  INTEGER CHECK (depth_tokens > 0),
    trace_sha256  TEXT,
    guidance      REAL CHECK (guidance > 0),
    top_p         REAL CHECK (top_p > 0 AND top_p <= 1),
    isa           TEXT CHECK (isa IN ('scalar', 'avx2', 'avx512', 'amx')), -- NULL: the best
    draft         TEXT,
    draft_layers  INTEGER CHECK (draft_layers > 0),
    graph         INTEGER CHECK (graph = 1),
    matmul        TEXT CHECK (matmul = 'own'),
    arithmetic    TEXT CHECK (arithmetic = 'twice'), -- NULL: once
    eos           TEXT CHECK (eos = 'stop'), -- since version 4; NULL: sequences go on to gen_tokens
    compute_dtype TEXT CHECK (compute_dtype IN ('bf16', 'int8')), -- since version 4; NULL: the device's only one
    model_sha256  TEXT, -- since version 4: what a folder holds; NULL: a preset
    weights       TEXT CHECK (weights = 'checkpoint'), -- NULL: drawn from the seed
    prompts_sha256 TEXT -- of the file of prompts; NULL: drawn from the seed
) STRICT;

-- ---- what happened ----------------------------------------------------------------------
-- run_no is local to a file and never leaves it; run_id is the run's name everywhere.  Checks
-- of rows that come by the thousand spell IN out: SQLite would build a table for each of three
-- words or more, row by row.

-- One row per time that a cell was run, planned, failed or skipped.
CREATE TABLE run (
    run_no         INTEGER PRIMARY KEY,
    run_id         TEXT NOT NULL UNIQUE CHECK (length(run_id) = 36),
    invocation_id  TEXT NOT NULL REFERENCES invocation,
    device_id      TEXT NOT NULL REFERENCES device,
    cell_id        TEXT NOT NULL REFERENCES cell,
    recorded_utc   TEXT NOT NULL,
    status         TEXT NOT NULL CHECK (status = 'ok' OR status = 'failed' OR status = 'skipped'),
    message        TEXT,
    match          TEXT,
    pair_id        TEXT,
    pair_baseline  INTEGER CHECK (pair_baseline IN (0, 1)),
    cache_resident INTEGER NOT NULL CHECK (cache_resident IN (0, 1)),
    weight_bytes   INTEGER CHECK (weight_bytes > 0),
    tokens_sha256  TEXT,
    threads        INTEGER CHECK (threads > 0),
    variant        TEXT,
    memory_bytes   INTEGER CHECK (memory_bytes > 0), -- since version 3, like the next
    memory_budget_bytes INTEGER CHECK (memory_budget_bytes > 0),
    latency_budget_ms   REAL CHECK (latency_budget_ms > 0),
    CHECK ((pair_id IS NULL) = (pair_baseline IS NULL))
) STRICT;
CREATE INDEX run_cell ON run (cell_id);
CREATE INDEX run_pair ON run (pair_id) WHERE pair_id IS NOT NULL;

-- The roofs a run is held against.
CREATE TABLE price (
    run_no               INTEGER NOT NULL REFERENCES run,
    tier                 TEXT NOT NULL
                         CHECK (tier = 'datasheet' OR tier = 'ceilings' OR tier = 'table'),
    matmul_flop_per_s    REAL CHECK (matmul_flop_per_s > 0),
    attention_flop_per_s REAL CHECK (attention_flop_per_s > 0),
    vector_flop_per_s    REAL CHECK (vector_flop_per_s > 0),
    bytes_per_s          REAL CHECK (bytes_per_s > 0),
    launch_ns            REAL NOT NULL CHECK (launch_ns >= 0),
    ridge_flop_per_byte  REAL AS (matmul_flop_per_s / bytes_per_s),
    PRIMARY KEY (run_no, tier)
) STRICT, WITHOUT ROWID;

-- What measuring those roofs again after the run gave.
CREATE TABLE price_after (
    run_no            INTEGER NOT NULL REFERENCES run,
    tier              TEXT NOT NULL,
    matmul_flop_per_s REAL CHECK (matmul_flop_per_s > 0),
    bytes_per_s       REAL CHECK (bytes_per_s > 0),
    PRIMARY KEY (run_no, tier)
) STRICT, WITHOUT ROWID;

-- One row per forward as it was run; of a plan, one per phase.
CREATE TABLE forward (
    forward_id       INTEGER PRIMARY KEY,  -- local to a file; in order within a run
    run_no           INTEGER NOT NULL REFERENCES run,
    kind             TEXT NOT NULL CHECK (kind = 'decode' OR kind = 'pinned' OR kind = 'trace' OR
                                           kind = 'plan'),
    phase            TEXT NOT NULL,
    sample           INTEGER NOT NULL, step INTEGER NOT NULL, round INTEGER NOT NULL,
    warmup           INTEGER NOT NULL CHECK (warmup IN (0, 1)),
    after_switch     INTEGER NOT NULL CHECK (after_switch IN (0, 1)),
    seq              INTEGER NOT NULL,
    forwards         INTEGER NOT NULL CHECK (forwards > 0),
    time_ns          INTEGER CHECK (time_ns >= 0),
    step_ns          INTEGER AS (iif(kind = 'pinned' AND warmup = 0 AND after_switch = 0, time_ns,
                                     NULL)),
    other_cpus       REAL CHECK (other_cpus >= 0),
    rows             INTEGER NOT NULL, logit_rows INTEGER NOT NULL,
    tokens_committed INTEGER NOT NULL,
    flop_matmul      INTEGER NOT NULL, flop_attention   INTEGER NOT NULL,
    flop_vector      INTEGER NOT NULL, flop_executed    INTEGER NOT NULL,
    flop_useful      INTEGER NOT NULL,
    bytes_weight     INTEGER NOT NULL, bytes_kv         INTEGER NOT NULL,
    bytes_activation INTEGER NOT NULL, bytes_logits     INTEGER NOT NULL,
    bytes_dram       INTEGER NOT NULL,
    bytes_dram_lo    INTEGER NOT NULL, bytes_dram_hi    INTEGER NOT NULL,
    predicted_datasheet_ns REAL, predicted_ceilings_ns REAL, predicted_table_ns REAL,
    -- the part of it in calls on their bandwidth side
    memory_datasheet_ns    REAL, memory_ceilings_ns    REAL, memory_table_ns    REAL,
    seqs             INTEGER CHECK (seqs > 0), -- sequences in it; since version 3, like the next
    tokens_past_eos  INTEGER CHECK (tokens_past_eos >= 0),
    device_ns        INTEGER CHECK (device_ns > 0), -- of time_ns; since version 3
    CHECK (kind = 'plan' OR forwards = 1),
    CHECK (kind <> 'plan' OR time_ns IS NULL)
) STRICT;
CREATE INDEX forward_run ON forward (run_no);
CREATE INDEX forward_step ON forward (run_no, phase, step_ns) WHERE step_ns IS NOT NULL;

-- One row per operation class that a decode, trace or plan forward calls.  A pinned forward
-- repeats the calls of its step.  op_id is 32 forward_id + the operation's number: the rows of a
-- forward are a range of keys, appended in order, and need no index.
CREATE TABLE forward_op (
    op_id            INTEGER PRIMARY KEY,
    forward_id       INTEGER NOT NULL REFERENCES forward,
    op               TEXT NOT NULL,
    calls            INTEGER NOT NULL,
    time_ns          INTEGER,              -- trace forwards only
    flop_matmul      INTEGER NOT NULL, flop_attention   INTEGER NOT NULL,
    flop_vector      INTEGER NOT NULL, flop_executed    INTEGER NOT NULL,
    bytes_weight     INTEGER NOT NULL, bytes_kv         INTEGER NOT NULL,
    bytes_activation INTEGER NOT NULL, bytes_logits     INTEGER NOT NULL,
    bytes_dram       INTEGER NOT NULL,
    bytes_dram_lo    INTEGER NOT NULL, bytes_dram_hi    INTEGER NOT NULL,
    predicted_datasheet_ns REAL, predicted_ceilings_ns REAL, predicted_table_ns REAL,
    memory_datasheet_ns    REAL, memory_ceilings_ns    REAL, memory_table_ns    REAL,
    CHECK (op_id / 32 = forward_id)
) STRICT;

-- One row per roof measured: what the best loop known reached.
CREATE TABLE ceiling (
    invocation_id     TEXT NOT NULL REFERENCES invocation,
    ceiling_no        INTEGER NOT NULL,    -- order within the invocation
    device_id         TEXT NOT NULL REFERENCES device,
    measured_utc      TEXT NOT NULL,
    kind              TEXT NOT NULL CHECK (kind IN ('bandwidth', 'compute', 'overhead')),
    name              TEXT NOT NULL,
    level             TEXT,
    dtype             TEXT,
    source            TEXT NOT NULL CHECK (source IN ('measured', 'datasheet')),
    method            TEXT,
    flag              TEXT,
    moment            TEXT NOT NULL CHECK (moment IN ('before', 'after', 'alone')),
    working_set_bytes INTEGER CHECK (working_set_bytes > 0),
    threads           INTEGER CHECK (threads > 0),
    n                 INTEGER CHECK (n > 0),
    value             REAL NOT NULL CHECK (value >= 0),
    ci_lo             REAL,
    ci_hi             REAL,
    unit              TEXT AS (CASE kind WHEN 'bandwidth' THEN 'bytes/s'
                                         WHEN 'compute' THEN 'FLOP/s' ELSE 'ns' END),
    other_cpus        REAL CHECK (other_cpus >= 0),
    isa               TEXT,                -- since version 3: whose loops; NULL: has none
    PRIMARY KEY (invocation_id, ceiling_no)
) STRICT, WITHOUT ROWID;
CREATE INDEX ceiling_device ON ceiling (device_id, kind);

-- One row per operation at one shape, by itself: the median of its calls' times.
CREATE TABLE kernel_time (
    invocation_id    TEXT NOT NULL REFERENCES invocation,
    kernel_no        INTEGER NOT NULL,     -- order within the invocation
    device_id        TEXT NOT NULL REFERENCES device,
    measured_utc     TEXT NOT NULL,
    op               TEXT NOT NULL,
    part             TEXT,
    model            TEXT NOT NULL,
    dtype            TEXT NOT NULL,
    rows             INTEGER NOT NULL CHECK (rows > 0),
    columns          INTEGER CHECK (columns > 0),
    inner            INTEGER CHECK (inner > 0),
    keys             INTEGER CHECK (keys > 0),
    threads          INTEGER NOT NULL CHECK (threads > 0),
    variant          TEXT,
    n                INTEGER NOT NULL CHECK (n > 0),
    time_ns          REAL NOT NULL CHECK (time_ns > 0),
    time_lo_ns       REAL, time_hi_ns   REAL,
    flop_matmul      INTEGER NOT NULL, flop_attention INTEGER NOT NULL,
    flop_vector      INTEGER NOT NULL,
    bytes_kernel     INTEGER NOT NULL, bytes_dram     INTEGER NOT NULL,
    peak_flop_per_s  REAL NOT NULL CHECK (peak_flop_per_s > 0),
    peak_bytes_per_s REAL NOT NULL CHECK (peak_bytes_per_s > 0),
    roof_fraction    REAL NOT NULL, roof_fraction_lo REAL, roof_fraction_hi REAL,
    cache_resident   INTEGER NOT NULL CHECK (cache_resident IN (0, 1)),
    other_cpus       REAL CHECK (other_cpus >= 0),
    compute_dtype    TEXT NOT NULL DEFAULT 'f32' CHECK (compute_dtype IN ('f32', 'bf16', 'int8')), -- since 4
    PRIMARY KEY (invocation_id, kernel_no)
) STRICT, WITHOUT ROWID;

-- ---- interventions; since version 3 -----------------------------------------------------
-- What limits a forward.  A changed cell is run beside its
-- base cell, taking turns; both are ordinary runs.  op '' is the whole forward.  Elasticities and
-- verdicts are the rule of docs/MEASURING.md applied to the rounds of the two runs.
CREATE TABLE intervention (
    run_no          INTEGER NOT NULL REFERENCES run, -- of the changed cell
    phase           TEXT NOT NULL,
    op              TEXT NOT NULL,
    base_run_id     TEXT NOT NULL CHECK (length(base_run_id) = 36),
    kind            TEXT NOT NULL
                    CHECK (kind IN ('storage', 'arithmetic', 'isa', 'threads')),
    bytes_ratio     REAL NOT NULL CHECK (bytes_ratio > 0),     -- changed over base
    compute_ratio   REAL NOT NULL CHECK (compute_ratio > 0),   -- base over changed, like the next
    bandwidth_ratio REAL NOT NULL CHECK (bandwidth_ratio > 0),
    rounds          INTEGER NOT NULL CHECK (rounds > 0),
    time_ratio      REAL NOT NULL CHECK (time_ratio > 0),      -- changed over base
    time_ratio_lo   REAL, time_ratio_hi REAL,
    elasticity      REAL, elasticity_lo REAL, elasticity_hi REAL, -- NULL: it shows nothing
    PRIMARY KEY (run_no, phase, op)
) STRICT, WITHOUT ROWID;

CREATE INDEX intervention_base ON intervention (base_run_id);

-- One row per phase, or operation class in it, of a base run: the verdict.
CREATE TABLE bound (
    run_no  INTEGER NOT NULL REFERENCES run, -- of the base cell
    phase   TEXT NOT NULL,
    op      TEXT NOT NULL,
    flop_by TEXT,                            -- the kind that eps_flop comes from; NULL: none
    bound   TEXT NOT NULL CHECK (bound IN ('memory', 'compute', 'mixed', 'overhead', 'undecided')),
    PRIMARY KEY (run_no, phase, op)
) STRICT, WITHOUT ROWID;

-- ---- quality, where the truth is known; since version 3 ---------------------------------
-- A decoding policy on a process whose every probability is known.  Nats per token, except tv:
-- of whole generations.

-- One row per cell judged on a process.
CREATE TABLE quality (
    quality_id     TEXT NOT NULL PRIMARY KEY CHECK (length(quality_id) = 36),
    invocation_id  TEXT NOT NULL REFERENCES invocation,
    cell_id        TEXT NOT NULL REFERENCES cell, -- whose model is the process
    process_sha256 TEXT NOT NULL CHECK (length(process_sha256) = 64),
    recorded_utc   TEXT NOT NULL,
    samples        INTEGER NOT NULL CHECK (samples > 0),
    law            TEXT CHECK (law IN ('exact', 'bound', 'counted')),
    kl             REAL, kl_lo       REAL, kl_hi       REAL, -- NULL without a law, as the next two
    reverse        REAL, reverse_lo  REAL, reverse_hi  REAL,
    tv             REAL, tv_lo       REAL, tv_hi       REAL,
    surprise       REAL NOT NULL, surprise_lo REAL, surprise_hi REAL,
    entropy        REAL NOT NULL, entropy_lo  REAL, entropy_hi  REAL,
    reverse_least  REAL CHECK (reverse_least >= 0), -- since version 4; NULL: not known
    CHECK ((law IS NULL) = (kl IS NULL))
) STRICT;

-- Forwards and tokens of its decodes, by phase.
CREATE TABLE quality_forward (
    quality_id TEXT NOT NULL REFERENCES quality,
    phase      TEXT NOT NULL,
    forwards   INTEGER NOT NULL CHECK (forwards > 0),
    tokens     INTEGER NOT NULL CHECK (tokens >= 0),
    PRIMARY KEY (quality_id, phase)
) STRICT, WITHOUT ROWID;

-- One row per bound on the likelihood of sequences, by an objective of training.
CREATE TABLE nelbo (
    nelbo_id       TEXT NOT NULL PRIMARY KEY CHECK (length(nelbo_id) = 36),
    invocation_id  TEXT NOT NULL REFERENCES invocation,
    cell_id        TEXT NOT NULL REFERENCES cell,
    process_sha256 TEXT CHECK (length(process_sha256) = 64), -- NULL: the cell's model is a network
    recorded_utc   TEXT NOT NULL,
    estimator      TEXT NOT NULL CHECK (estimator IN ('chain', 'time', 'count')),
    schedule       TEXT,
    sequences      INTEGER NOT NULL CHECK (sequences > 0),
    draws          INTEGER NOT NULL CHECK (draws > 0),
    nelbo          REAL NOT NULL, nelbo_lo  REAL, nelbo_hi  REAL,
    excess         REAL,          excess_lo REAL, excess_hi REAL,
    CHECK ((process_sha256 IS NULL) = (excess IS NULL))
) STRICT;

-- One row per experiment: what a corruption of tokens leaves to be known, and what bounds its steps
-- reach, with the best denoiser there is.
CREATE TABLE corruption (
    corruption_id  TEXT NOT NULL PRIMARY KEY CHECK (length(corruption_id) = 36),
    invocation_id  TEXT NOT NULL REFERENCES invocation,
    recorded_utc   TEXT NOT NULL,
    source         TEXT NOT NULL,
    process_sha256 TEXT CHECK (length(process_sha256) = 64),
    corruption     TEXT NOT NULL CHECK (corruption IN ('noise', 'masks')),
    width          INTEGER CHECK (width > 0),
    symbols        INTEGER NOT NULL CHECK (symbols > 1),
    tokens         INTEGER NOT NULL CHECK (tokens > 0),
    sequences      INTEGER NOT NULL CHECK (sequences > 0),
    entropy        REAL NOT NULL,
    useful_time    REAL NOT NULL CHECK (useful_time BETWEEN 0 AND 1),
    CHECK ((corruption = 'noise') = (width IS NOT NULL))
) STRICT;

-- One row per point of its curves.
CREATE TABLE corruption_point (
    corruption_id TEXT NOT NULL REFERENCES corruption,
    quantity      TEXT NOT NULL
                  CHECK (quantity IN ('uncertainty', 'rounding', 'bound', 'best_bound')),
    x             REAL NOT NULL,
    value         REAL NOT NULL,
    PRIMARY KEY (corruption_id, quantity, x)
) STRICT, WITHOUT ROWID;

-- ---- what the hardware counted ----------------------------------------------------------
-- In passes of their own after a run was timed, over the same decode again; a pass that could
-- not be made leaves its reason.  Since version 3.

-- One row per pass over a run by a probe.
CREATE TABLE counting (
    run_no      INTEGER NOT NULL REFERENCES run,
    probe       TEXT NOT NULL,
    l2_state    TEXT NOT NULL CHECK (l2_state IN ('steady', 'cold')),
    status      TEXT NOT NULL CHECK (status IN ('ok', 'unavailable')),
    reason      TEXT,
    counted_utc TEXT NOT NULL,
    samples     INTEGER CHECK (samples > 0),
    chip        TEXT,
    passes      INTEGER CHECK (passes > 0),
    version     INTEGER,
    PRIMARY KEY (run_no, probe, l2_state),
    CHECK ((status = 'ok') = (reason IS NULL))
) STRICT, WITHOUT ROWID;

-- One row per forward of a pass, as counted.
CREATE TABLE forward_counter (
    run_no   INTEGER NOT NULL, probe TEXT NOT NULL, l2_state TEXT NOT NULL,
    sample   INTEGER NOT NULL, step INTEGER NOT NULL,
    phase    TEXT NOT NULL,
    device_ns INTEGER,
    dram_read_bytes INTEGER, dram_write_bytes INTEGER,
    l2_bytes INTEGER, l2_all_bytes INTEGER, l2_fabric_bytes INTEGER, l2_host_bytes INTEGER,
    l1_bytes INTEGER, l1_fill_bytes INTEGER, l1_drain_bytes INTEGER,
    flop_tensor INTEGER, flop_vector INTEGER,
    sm_cycles INTEGER, sm_hz INTEGER, dram_hz INTEGER,
    dram_peak_bytes_per_cycle INTEGER, tensor_peak_flop_per_cycle INTEGER,
    -- since version 4: of a CPU; the first three by its hardware, the others by the kernel
    cpu_cycles INTEGER CHECK (cpu_cycles >= 0),
    cpu_instructions INTEGER CHECK (cpu_instructions >= 0),
    llc_misses INTEGER CHECK (llc_misses >= 0),
    task_clock_ns INTEGER CHECK (task_clock_ns >= 0),
    page_faults INTEGER CHECK (page_faults >= 0),
    context_switches INTEGER CHECK (context_switches >= 0),
    PRIMARY KEY (run_no, probe, l2_state, sample, step),
    FOREIGN KEY (run_no, probe, l2_state) REFERENCES counting ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- Kernels of one forward of each phase: when (cupti-activity) or how much (cupti-kernel).
CREATE TABLE forward_kernel (
    run_no   INTEGER NOT NULL, probe TEXT NOT NULL, l2_state TEXT NOT NULL,
    sample   INTEGER NOT NULL, step INTEGER NOT NULL, ordinal INTEGER NOT NULL,
    phase    TEXT NOT NULL,
    name     TEXT,
    start_ns INTEGER, end_ns INTEGER,
    grid_x INTEGER, grid_y INTEGER, grid_z INTEGER,
    block_x INTEGER, block_y INTEGER, block_z INTEGER,
    registers INTEGER, shared_bytes INTEGER,
    dram_read_bytes INTEGER, dram_write_bytes INTEGER, l2_bytes INTEGER, l1_bytes INTEGER,
    flop_tensor INTEGER,
    call     INTEGER CHECK (call >= 0),    -- operation of the forward it was launched for ...
    op       TEXT,                         -- ... which, and its shape
    rows     INTEGER CHECK (rows > 0),
    columns  INTEGER CHECK (columns > 0),
    inner    INTEGER CHECK (inner > 0),
    PRIMARY KEY (run_no, probe, l2_state, sample, step, ordinal),
    FOREIGN KEY (run_no, probe, l2_state) REFERENCES counting ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- Work whose bytes and FLOPs are known, counted by the same pass: what its counters are worth.
CREATE TABLE known_work (
    run_no   INTEGER NOT NULL, probe TEXT NOT NULL, l2_state TEXT NOT NULL,
    work     TEXT NOT NULL, counter TEXT NOT NULL,
    known    INTEGER NOT NULL CHECK (known > 0),
    counted  INTEGER NOT NULL CHECK (counted >= 0),
    PRIMARY KEY (run_no, probe, l2_state, work, counter),
    FOREIGN KEY (run_no, probe, l2_state) REFERENCES counting ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- One row per run: whole decodes repeated for a while, and what the GPU's management library said
-- before and after.
CREATE TABLE energy (
    run_no    INTEGER NOT NULL, probe TEXT NOT NULL, l2_state TEXT NOT NULL,
    decodes   INTEGER NOT NULL CHECK (decodes > 0),
    tokens    INTEGER NOT NULL CHECK (tokens > 0),
    window_ns INTEGER NOT NULL CHECK (window_ns > 0),
    energy_mj INTEGER,
    power_before_mw INTEGER, power_after_mw INTEGER,
    sm_before_mhz INTEGER, sm_after_mhz INTEGER,
    memory_before_mhz INTEGER, memory_after_mhz INTEGER,
    temperature_before_c INTEGER, temperature_after_c INTEGER,
    throttle_bits INTEGER,
    PRIMARY KEY (run_no, probe, l2_state),
    FOREIGN KEY (run_no, probe, l2_state) REFERENCES counting ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- ---- statistics -------------------------------------------------------------------------

-- For n sorted samples of any continuous distribution the median lies between order
-- statistics lo and n + 1 - lo with at least 95 % confidence; lo is the largest such rank:
-- P(Binomial(n, 1/2) < lo) <= 0.025.  Below n = 6 there is none.  The recursion carries
-- f = P(X = k) and c = P(X <= k) for k = lo - 1 from n to n + 1.
CREATE TABLE rank_bound (
    n  INTEGER PRIMARY KEY,
    lo INTEGER NOT NULL
) STRICT;
WITH RECURSIVE b (n, k, f, c) AS (
    VALUES (6, 0, 1.0 / 64, 1.0 / 64)
    UNION ALL
    SELECT n + 1,
           iif(c - f / 2 + f * (n + 1) / (2 * (k + 1)) <= 0.025, k + 1, k),
           iif(c - f / 2 + f * (n + 1) / (2 * (k + 1)) <= 0.025,
               f * (n + 1) / (2 * (k + 1)),
               f * (n + 1) / (2 * (n + 1 - k))),
           iif(c - f / 2 + f * (n + 1) / (2 * (k + 1)) <= 0.025,
               c - f / 2 + f * (n + 1) / (2 * (k + 1)),
               c - f / 2)
    FROM b WHERE n < 2000
)
INSERT INTO rank_bound SELECT n, k + 1 FROM b;

-- ---- views: runs ------------------------------------------------------------------------
-- CROSS JOIN, where it stands, tells SQLite to keep the order of the tables.

-- One row per run, with its cell, its device and the program.
CREATE VIEW v_run AS
SELECT r.run_id, r.cell_id, r.status, r.message, d.device, d.kind AS device_kind, c.model,
       c.model_sha256, COALESCE(c.weights, 'seeded') AS weights,
       c.prompts_sha256, c.layers, c.decoder, c.dtype, c.kv_dtype, c.batch_seqs, c.batch_policy, c.depth_tokens,
       c.prompt_tokens,
       c.gen_tokens, c.block_tokens, c.denoise_steps, c.strategy, c.cache, c.refresh_forwards,
       c.commit_policy, c.logits, c.head, c.draft, c.draft_layers, c.draft_tokens, c.acceptance,
       c.schedule, c.threshold, c.factor, c.entropy_bound, c.eta, c.trace_sha256, c.guidance,
       c.top_p, c.temperature, c.seed, c.eos,
       COALESCE(r.threads, c.threads) AS threads, c.isa, c.arithmetic,
       CASE WHEN d.kind = 'cpu' THEN COALESCE(c.compute_dtype, 'f32')
            WHEN c.dtype <> 'f32' THEN 'bf16' ELSE iif(d.kind = 'sim', 'tf32', 'f32') END
           AS compute_dtype,
       r.variant, c.launch_ns,
       iif(d.kind = 'cuda', iif(c.graph = 1, 'on', 'off'), NULL) AS graph,
       iif(d.kind = 'cuda', COALESCE(c.matmul, 'cublas'), NULL) AS matmul,
       r.match, r.memory_bytes, r.memory_budget_bytes, r.latency_budget_ms, r.pair_id,
       r.pair_baseline, r.cache_resident, r.weight_bytes, r.tokens_sha256,
       r.recorded_utc, r.invocation_id, i.sweep_name, b.git_sha, b.git_dirty, r.device_id,
       d.description AS device_description
FROM run r
JOIN cell c ON c.cell_id = r.cell_id
JOIN device d ON d.device_id = r.device_id
JOIN invocation i ON i.invocation_id = r.invocation_id
JOIN build b ON b.build_id = i.build_id;

-- One row per run and phase: sums over its whole decodes, or over the one planned decode.
-- Counters are of decodes of their own: scaled to as many as were timed, and only where every
-- forward of the phase was counted.
CREATE VIEW v_phase AS
SELECT p.run_id, p.phase, p.samples, p.forwards, p.seqs, p.tokens_past_eos, p.rows, p.logit_rows,
       p.tokens_committed, p.time_ns, p.flop_matmul, p.flop_attention, p.flop, p.flop_vector,
       p.flop_executed, p.flop_useful, p.bytes_weight, p.bytes_kv, p.bytes_activation,
       p.bytes_logits, p.bytes_kernel, p.bytes_dram, p.bytes_dram_lo, p.bytes_dram_hi,
       p.predicted_ns, p.predicted_datasheet_ns, p.predicted_ceilings_ns, p.predicted_table_ns,
       p.memory_time_share,
       dram_read_bytes_counter, dram_write_bytes_counter, l2_bytes_counter, flop_tensor_counter,
       flop_vector_counter,
       flop_tensor_counter + flop_vector_counter AS flop_counter, p.evidence
FROM (SELECT p.*,
             (SELECT iif(COUNT(*) * p.samples = COUNT(DISTINCT c.sample) * p.forwards,
                         SUM(c.dram_read_bytes) * p.samples / COUNT(DISTINCT c.sample), NULL)
              FROM forward_counter c
              WHERE c.run_no = p.run_no AND c.probe IN ('cupti-base', 'perf')
                AND c.l2_state = 'steady' AND c.phase = p.phase) AS dram_read_bytes_counter,
             (SELECT iif(COUNT(*) * p.samples = COUNT(DISTINCT c.sample) * p.forwards,
                         SUM(c.dram_write_bytes) * p.samples / COUNT(DISTINCT c.sample), NULL)
              FROM forward_counter c
              WHERE c.run_no = p.run_no AND c.probe IN ('cupti-base', 'perf')
                AND c.l2_state = 'steady' AND c.phase = p.phase) AS dram_write_bytes_counter,
             (SELECT iif(COUNT(*) * p.samples = COUNT(DISTINCT c.sample) * p.forwards,
                         SUM(c.l2_bytes) * p.samples / COUNT(DISTINCT c.sample), NULL)
              FROM forward_counter c
              WHERE c.run_no = p.run_no AND c.probe = 'cupti-base' AND c.l2_state = 'steady'
                AND c.phase = p.phase) AS l2_bytes_counter,
             (SELECT iif(COUNT(*) * p.samples = COUNT(DISTINCT c.sample) * p.forwards,
                         SUM(c.flop_tensor) * p.samples / COUNT(DISTINCT c.sample), NULL)
              FROM forward_counter c
              WHERE c.run_no = p.run_no AND c.probe = 'cupti-base' AND c.l2_state = 'steady'
                AND c.phase = p.phase) AS flop_tensor_counter,
             (SELECT iif(COUNT(*) * p.samples = COUNT(DISTINCT c.sample) * p.forwards,
                         SUM(c.flop_vector) * p.samples / COUNT(DISTINCT c.sample), NULL)
              FROM forward_counter c
              WHERE c.run_no = p.run_no AND c.probe = 'cupti-vector' AND c.l2_state = 'steady'
                AND c.phase = p.phase) AS flop_vector_counter
      FROM (SELECT r.run_id, r.run_no, f.phase,
                   COUNT(DISTINCT f.sample) AS samples,
                   SUM(f.forwards) AS forwards, SUM(f.seqs) AS seqs, 
                   SUM(f.tokens_past_eos) AS tokens_past_eos, SUM(f.rows) AS rows,
                   SUM(f.logit_rows) AS logit_rows,
                   SUM(f.tokens_committed) AS tokens_committed,
                   iif(COUNT(f.time_ns) = COUNT(*), SUM(f.time_ns), NULL) AS time_ns,
                   SUM(f.flop_matmul) AS flop_matmul, SUM(f.flop_attention) AS flop_attention,
                   SUM(f.flop_matmul + f.flop_attention) AS flop,
                   SUM(f.flop_vector) AS flop_vector, SUM(f.flop_executed) AS flop_executed,
                   SUM(f.flop_useful) AS flop_useful,
                   SUM(f.bytes_weight) AS bytes_weight, SUM(f.bytes_kv) AS bytes_kv,
                   SUM(f.bytes_activation) AS bytes_activation, SUM(f.bytes_logits) AS bytes_logits,
                   SUM(f.bytes_weight + f.bytes_kv + f.bytes_activation + f.bytes_logits)
                       AS bytes_kernel,
                   SUM(f.bytes_dram) AS bytes_dram,
                   SUM(f.bytes_dram_lo) AS bytes_dram_lo, SUM(f.bytes_dram_hi) AS bytes_dram_hi,
                   SUM(COALESCE(f.predicted_ceilings_ns, f.predicted_datasheet_ns)) AS predicted_ns,
                   SUM(f.predicted_datasheet_ns) AS predicted_datasheet_ns,
                   SUM(f.predicted_ceilings_ns) AS predicted_ceilings_ns,
                   SUM(f.predicted_table_ns) AS predicted_table_ns,
                   SUM(COALESCE(f.memory_ceilings_ns, f.memory_datasheet_ns))
                       / SUM(COALESCE(f.predicted_ceilings_ns, f.predicted_datasheet_ns))
                           AS memory_time_share,
                   iif(MAX(f.kind) = 'plan', 'analytic', 'timing') AS evidence
            FROM run r
            JOIN forward f ON f.run_no = r.run_no
            WHERE f.kind IN ('decode', 'plan') AND f.warmup = 0
            GROUP BY r.run_id, f.phase) p) p;

-- One row per run, phase and operation class: the same sums.
CREATE VIEW v_op AS
SELECT r.run_id, f.phase, o.op,
       COUNT(DISTINCT f.sample) AS samples,
       SUM(o.calls) AS calls,
       iif(COUNT(o.time_ns) = COUNT(*), SUM(o.time_ns), NULL) AS time_ns,
       SUM(o.flop_matmul) AS flop_matmul, SUM(o.flop_attention) AS flop_attention,
       SUM(o.flop_matmul + o.flop_attention) AS flop,
       SUM(o.flop_vector) AS flop_vector, SUM(o.flop_executed) AS flop_executed,
       SUM(o.bytes_weight) AS bytes_weight, SUM(o.bytes_kv) AS bytes_kv,
       SUM(o.bytes_activation) AS bytes_activation, SUM(o.bytes_logits) AS bytes_logits,
       SUM(o.bytes_weight + o.bytes_kv + o.bytes_activation + o.bytes_logits) AS bytes_kernel,
       SUM(o.bytes_dram) AS bytes_dram,
       SUM(o.bytes_dram_lo) AS bytes_dram_lo, SUM(o.bytes_dram_hi) AS bytes_dram_hi,
       SUM(COALESCE(o.predicted_ceilings_ns, o.predicted_datasheet_ns)) AS predicted_ns,
       SUM(o.predicted_datasheet_ns) AS predicted_datasheet_ns,
       SUM(o.predicted_ceilings_ns) AS predicted_ceilings_ns,
       SUM(o.predicted_table_ns) AS predicted_table_ns,
       SUM(COALESCE(o.memory_ceilings_ns, o.memory_datasheet_ns))
           / SUM(COALESCE(o.predicted_ceilings_ns, o.predicted_datasheet_ns)) AS memory_time_share
FROM run r
CROSS JOIN forward f ON f.run_no = r.run_no
CROSS JOIN forward_op o ON o.op_id BETWEEN 32 * f.forward_id AND 32 * f.forward_id + 31
WHERE f.kind IN ('decode', 'plan') AND f.warmup = 0
GROUP BY r.run_id, f.phase, o.op;

-- Where a forward's time goes, one row per operation class: measured call by call, or predicted.
CREATE VIEW v_breakdown AS
SELECT o.run_id, o.phase, o.op, o.n, o.calls, o.time_ns,
       o.time_ns * 1.0 /
           (SELECT SUM(w.time_ns)
            FROM forward f
            CROSS JOIN forward_op w ON w.op_id BETWEEN 32 * f.forward_id AND 32 * f.forward_id + 31
            WHERE f.run_no = o.run_no AND f.phase = o.phase AND f.kind = 'trace'
              AND f.warmup = 0 AND f.after_switch = 0) AS share,
       'timing' AS evidence
FROM (SELECT r.run_id, r.run_no, f.phase, o.op, COUNT(*) AS n, SUM(o.calls) AS calls,
             SUM(o.time_ns) AS time_ns
      FROM run r
      CROSS JOIN forward f ON f.run_no = r.run_no
      CROSS JOIN forward_op o ON o.op_id BETWEEN 32 * f.forward_id AND 32 * f.forward_id + 31
      WHERE f.kind = 'trace' AND f.warmup = 0 AND f.after_switch = 0
      GROUP BY r.run_id, f.phase, o.op) o
UNION ALL
SELECT o.run_id, o.phase, o.op, o.n, o.calls, o.time_ns,
       o.time_ns / (SELECT SUM(COALESCE(predicted_ceilings_ns, predicted_datasheet_ns))
                    FROM forward
                    WHERE run_no = o.run_no AND phase = o.phase AND kind = 'plan'), 'analytic'
FROM (SELECT r.run_id, r.run_no, f.phase, o.op, COUNT(*) AS n, SUM(o.calls) AS calls,
             SUM(COALESCE(o.predicted_ceilings_ns, o.predicted_datasheet_ns)) AS time_ns
      FROM run r
      CROSS JOIN forward f ON f.run_no = r.run_no
      CROSS JOIN forward_op o ON o.op_id BETWEEN 32 * f.forward_id AND 32 * f.forward_id + 31
      WHERE f.kind = 'plan'
      GROUP BY r.run_id, f.phase, o.op) o;

-- Time of one forward at its pinned context, with a 95 % rank interval of the median.
CREATE VIEW v_step AS
SELECT g.run_id, g.phase, g.n,
       (SELECT AVG(s.step_ns)
        FROM (SELECT step_ns, ROW_NUMBER() OVER (ORDER BY step_ns) AS rank FROM forward
              WHERE run_no = g.run_no AND phase = g.phase AND step_ns IS NOT NULL) s
        WHERE s.rank IN ((g.n + 1) / 2, g.n / 2 + 1)) AS median_ns,
       (SELECT s.step_ns
        FROM (SELECT step_ns, ROW_NUMBER() OVER (ORDER BY step_ns) AS rank FROM forward
              WHERE run_no = g.run_no AND phase = g.phase AND step_ns IS NOT NULL) s
        WHERE s.rank = b.lo) AS ci_lo_ns,
       (SELECT s.step_ns
        FROM (SELECT step_ns, ROW_NUMBER() OVER (ORDER BY step_ns) AS rank FROM forward
              WHERE run_no = g.run_no AND phase = g.phase AND step_ns IS NOT NULL) s
        WHERE s.rank = g.n + 1 - b.lo) AS ci_hi_ns,
       g.min_ns, g.max_ns,
       (SELECT AVG(c.dram_read_bytes) FROM forward_counter c
        WHERE c.run_no = g.run_no AND c.probe IN ('cupti-base', 'perf') AND c.l2_state = 'steady'
          AND c.step = g.step) AS dram_read_bytes_counter,
       (SELECT AVG(c.dram_write_bytes) FROM forward_counter c
        WHERE c.run_no = g.run_no AND c.probe IN ('cupti-base', 'perf') AND c.l2_state = 'steady'
          AND c.step = g.step) AS dram_write_bytes_counter,
       (SELECT AVG(c.l2_bytes) FROM forward_counter c
        WHERE c.run_no = g.run_no AND c.probe = 'cupti-base' AND c.l2_state = 'steady'
          AND c.step = g.step) AS l2_bytes_counter,
       (SELECT AVG(c.flop_tensor) FROM forward_counter c
        WHERE c.run_no = g.run_no AND c.probe = 'cupti-base' AND c.l2_state = 'steady'
          AND c.step = g.step) AS flop_tensor_counter,
       (SELECT AVG(c.flop_vector) FROM forward_counter c
        WHERE c.run_no = g.run_no AND c.probe = 'cupti-vector' AND c.l2_state = 'steady'
          AND c.step = g.step) AS flop_vector_counter
FROM (SELECT r.run_id, r.run_no, f.phase, MIN(f.step) AS step, COUNT(*) AS n,
             MIN(f.step_ns) AS min_ns, MAX(f.step_ns) AS max_ns
      FROM run r
      JOIN forward f ON f.run_no = r.run_no
      WHERE f.step_ns IS NOT NULL
      GROUP BY r.run_id, f.phase) g
LEFT JOIN rank_bound b ON b.n = MIN(g.n, 2000);

-- What of a forward at its pinned context passes outside the device's own time: from the call to
-- the device's first work and from its last to the host's knowing; NULL device times are left out.
CREATE VIEW v_gap AS
SELECT r.run_id, f.phase, COUNT(*) AS n, SUM(f.step_ns) AS time_ns, SUM(f.device_ns) AS device_ns,
       SUM(f.step_ns - f.device_ns) AS gap_ns,
       SUM(f.step_ns - f.device_ns) * 1.0 / SUM(f.step_ns) AS gap_share
FROM run r
JOIN forward f ON f.run_no = r.run_no
WHERE f.step_ns IS NOT NULL AND f.device_ns IS NOT NULL
GROUP BY r.run_id, f.phase;

-- Did the machine hold still?  One row per measured run.
CREATE VIEW v_steadiness AS
SELECT r.run_id,
       (SELECT MAX(MAX(a.bytes_per_s, p.bytes_per_s) / MIN(a.bytes_per_s, p.bytes_per_s),
                   MAX(a.matmul_flop_per_s, p.matmul_flop_per_s)
                   / MIN(a.matmul_flop_per_s, p.matmul_flop_per_s)) - 1
        FROM price p JOIN price_after a ON a.run_no = p.run_no AND a.tier = p.tier
        WHERE p.run_no = r.run_no AND p.tier = 'ceilings') AS roofs_moved,
       (SELECT SUM(f.time_ns) / SUM(s.median_ns)
        FROM forward f JOIN v_step s ON s.run_id = r.run_id AND s.phase = f.phase
        WHERE f.run_no = r.run_no AND f.kind = 'decode' AND f.warmup = 0) AS decode_over_steps,
       (SELECT AVG(f.other_cpus) FROM forward f WHERE f.run_no = r.run_no) AS other_cpus,
       'timing' AS evidence
FROM run r
WHERE r.status = 'ok' AND EXISTS (SELECT * FROM forward f WHERE f.run_no = r.run_no
                                  AND f.kind <> 'plan');

-- ---- views: roofs -----------------------------------------------------------------------

-- Newest ceiling of each kind on each device, and how it moved: the last two measurements of its
-- invocation that were made before and after something.
CREATE VIEW v_ceiling AS
SELECT d.device, d.kind AS device_kind, c.kind, c.name, c.level, c.dtype, c.source, c.threads,
       c.working_set_bytes, c.value, c.ci_lo, c.ci_hi, c.unit, c.n, c.method, c.flag, c.moment,
       c.last_before * c.both AS before_value, c.last_after * c.both AS after_value,
       c.last_after / c.last_before * c.both - 1 AS change, c.other_cpus,
       c.measured_utc, c.invocation_id, c.device_id, c.isa
FROM (SELECT *,
             ROW_NUMBER() OVER (PARTITION BY device_id, kind, name, level, dtype, source, threads,
                                             isa, working_set_bytes
                                ORDER BY measured_utc DESC, ceiling_no DESC) AS age,
             FIRST_VALUE(value) OVER (same ORDER BY moment = 'before' DESC, ceiling_no DESC)
                 AS last_before,
             FIRST_VALUE(value) OVER (same ORDER BY moment = 'after' DESC, ceiling_no DESC)
                 AS last_after,
             iif(MAX(moment = 'before') OVER same AND MAX(moment = 'after') OVER same, 1, NULL)
                 AS both
      FROM ceiling
      WINDOW same AS (PARTITION BY invocation_id, device_id, kind, name, level, dtype, source,
                                   threads, isa, working_set_bytes)) c
JOIN device d ON d.device_id = c.device_id
WHERE c.age = 1;

-- The newest time of each operation and shape on each device, in rates and beside the two times
-- an ideal machine of the roofs probed meanwhile would take.
CREATE VIEW v_kernel AS
SELECT d.device, k.model, k.dtype, k.compute_dtype, k.threads, k.variant, k.op, k.part, k.rows, k.columns, k.inner,
       k.keys, k.n, k.time_ns, k.time_lo_ns, k.time_hi_ns,
       k.flop_matmul + k.flop_attention AS flop, k.flop_vector, k.bytes_kernel, k.bytes_dram,
       (k.flop_matmul + k.flop_attention + k.flop_vector) * 1e9 / k.time_ns AS flop_per_s,
       k.bytes_dram * 1e9 / k.time_ns AS bytes_per_s,
       k.peak_flop_per_s, k.peak_bytes_per_s,
       (k.flop_matmul + k.flop_attention + k.flop_vector) * 1e9 / k.peak_flop_per_s AS compute_ns,
       k.bytes_dram * 1e9 / k.peak_bytes_per_s AS memory_ns,
       k.roof_fraction, k.roof_fraction_lo, k.roof_fraction_hi, 1 / k.roof_fraction AS residual,
       k.cache_resident, k.other_cpus, k.measured_utc, k.invocation_id, k.kernel_no, k.device_id
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY device_id, model, dtype, threads, variant, op, part,
                                                rows, columns, inner, keys
                                   ORDER BY measured_utc DESC, kernel_no DESC) AS age
      FROM kernel_time) k
JOIN device d ON d.device_id = k.device_id
WHERE k.age = 1;

-- The roof a run is held against: the measured ceilings where there are some, else the data sheet
-- ('ceilings' sorts first).
CREATE VIEW v_roof AS
SELECT r.run_id, p.tier, p.matmul_flop_per_s AS peak_flop_per_s, p.bytes_per_s,
       p.ridge_flop_per_byte
FROM run r
JOIN price p ON p.run_no = r.run_no
     AND p.tier = (SELECT MIN(tier) FROM price
                   WHERE run_no = r.run_no AND tier IN ('ceilings', 'datasheet'));

-- ---- views: roofline --------------------------------------------------------------------

-- What a point on a roofline is made of.  basis 'pinned': one forward at its pinned context
-- and its median time; 'whole': the sums of v_phase, where nothing was pinned, for plans, and
-- for useful work, which only a whole decode has.  evidence 'counter': the pinned forward again,
-- over the DRAM bytes that were counted, from the least to the most of all counted decodes.
CREATE VIEW v_point AS
SELECT p.run_id, p.phase, w.work, 'timing' AS evidence, 'pinned' AS basis,
       iif(w.work = 'executed', p.flop_executed, p.flop) AS flop, p.bytes_dram, p.bytes_dram_lo,
       p.bytes_dram_hi, s.median_ns AS time_ns, s.ci_lo_ns, s.ci_hi_ns
FROM (SELECT r.run_id, f.phase, AVG(f.flop_matmul + f.flop_attention) AS flop,
             AVG(f.flop_executed) AS flop_executed, AVG(f.bytes_dram) AS bytes_dram,
             AVG(f.bytes_dram_lo) AS bytes_dram_lo, AVG(f.bytes_dram_hi) AS bytes_dram_hi
      FROM run r
      JOIN forward f ON f.run_no = r.run_no
      WHERE f.step_ns IS NOT NULL
      GROUP BY r.run_id, f.phase) p
JOIN v_step s ON s.run_id = p.run_id AND s.phase = p.phase
JOIN (SELECT 'algorithmic' AS work UNION ALL SELECT 'executed') w
UNION ALL
SELECT v.run_id, v.phase, w.work, v.evidence, 'whole',
       CASE w.work WHEN 'useful' THEN v.flop_useful WHEN 'executed' THEN v.flop_executed
                   ELSE v.flop END,
       v.bytes_dram, v.bytes_dram_lo, v.bytes_dram_hi,
       iif(v.evidence = 'analytic', v.predicted_ns, v.time_ns), NULL, NULL
FROM v_phase v
JOIN (SELECT 'algorithmic' AS work UNION ALL SELECT 'executed' UNION ALL SELECT 'useful') w
WHERE w.work = 'useful'
   OR NOT EXISTS (SELECT 1 FROM run r JOIN forward f ON f.run_no = r.run_no
                  WHERE r.run_id = v.run_id AND f.phase = v.phase AND f.step_ns IS NOT NULL)
UNION ALL
SELECT k.run_id, k.phase, w.work, 'counter', 'pinned', iif(w.work = 'executed', k.flop, p.flop),
       k.dram_bytes, k.dram_min, k.dram_max, s.median_ns, s.ci_lo_ns, s.ci_hi_ns
FROM (SELECT run_id, run_no, phase, AVG(dram_bytes) AS dram_bytes, MIN(dram_bytes) AS dram_min,
             MAX(dram_bytes) AS dram_max, AVG(flop_tensor + flop_vector) AS flop
      FROM v_pinned_counter
      WHERE l2_state = 'steady' AND dram_bytes IS NOT NULL
      GROUP BY run_id, run_no, phase) k
JOIN (SELECT run_no, phase, AVG(flop_matmul + flop_attention) AS flop FROM forward
      WHERE step_ns IS NOT NULL
      GROUP BY run_no, phase) p ON p.run_no = k.run_no AND p.phase = k.phase
JOIN v_step s ON s.run_id = k.run_id AND s.phase = k.phase
JOIN (SELECT 'algorithmic' AS work UNION ALL SELECT 'executed') w
     ON w.work = 'algorithmic' OR k.flop IS NOT NULL;

-- One row per point on a roofline.  The roof of v_roof, joined where SQLite can look it up run by
-- run.  above_roof takes the larger of the roofs measured before and after.
CREATE VIEW v_roofline AS
SELECT q.run_id, d.device, d.kind AS device_kind, c.model, c.decoder, q.phase, c.batch_seqs,
       c.block_tokens, q.work,
       q.intensity_flop_per_byte, q.intensity_lo, q.intensity_hi,
       q.flop_per_s, q.flop_per_s_lo, q.flop_per_s_hi,
       MIN(p.matmul_flop_per_s, q.intensity_flop_per_byte * p.bytes_per_s) AS roof_flop_per_s,
       q.flop_per_s / MIN(p.matmul_flop_per_s, q.intensity_flop_per_byte * p.bytes_per_s)
           AS roof_fraction,
       p.ridge_flop_per_byte,
       CASE WHEN q.intensity_hi < p.ridge_flop_per_byte THEN 'memory'
            WHEN q.intensity_lo >= p.ridge_flop_per_byte THEN 'compute'
            WHEN q.intensity_lo < p.ridge_flop_per_byte THEN 'undecided' END AS side,
       (SELECT bound FROM bound w
        WHERE w.run_no = r.run_no AND w.phase = q.phase AND w.op = '') AS bound,
       q.evidence, r.cache_resident,
       q.flop_per_s_lo > 1.05 *
           MIN(MAX(p.matmul_flop_per_s, COALESCE(a.matmul_flop_per_s, 0)),
               q.intensity_flop_per_byte * MAX(p.bytes_per_s, COALESCE(a.bytes_per_s, 0)))
           AS above_roof,
       q.basis, p.tier AS roof_tier, p.matmul_flop_per_s AS peak_flop_per_s,
       p.bytes_per_s AS roof_bytes_per_s, c.dtype, c.denoise_steps, c.prompt_tokens,
       c.gen_tokens, COALESCE(r.threads, c.threads) AS threads
FROM (SELECT run_id, phase, work, evidence, basis,
             flop * 1.0 / bytes_dram AS intensity_flop_per_byte,
             flop * 1.0 / bytes_dram_hi AS intensity_lo,
             flop * 1.0 / bytes_dram_lo AS intensity_hi,
             flop * 1e9 / time_ns AS flop_per_s,
             flop * 1e9 / ci_hi_ns AS flop_per_s_lo,
             flop * 1e9 / ci_lo_ns AS flop_per_s_hi
      FROM v_point) q
JOIN run r ON r.run_id = q.run_id
JOIN cell c ON c.cell_id = r.cell_id
JOIN device d ON d.device_id = r.device_id
LEFT JOIN price p ON p.run_no = r.run_no
     AND p.tier = (SELECT MIN(tier) FROM price
                   WHERE run_no = r.run_no AND tier IN ('ceilings', 'datasheet'))
LEFT JOIN price_after a ON a.run_no = p.run_no AND a.tier = p.tier;

-- What limits a forward (op '') or a class of operations in it, by intervention, beside the model's
-- opinion.  agrees: both name the same side; NULL where the model names none.
CREATE VIEW v_bound AS
SELECT f.run_id, f.device, f.model, c.layers, f.decoder, f.dtype, f.threads, r.variant,
       b.phase, b.op, f.batch_seqs, f.block_tokens, f.denoise_steps, f.prompt_tokens, f.gen_tokens,
       (SELECT AVG(rows) FROM forward
        WHERE run_no = r.run_no AND phase = b.phase AND kind = 'pinned') AS rows,
       b.bound, iif(b.op = '', f.side, NULL) AS side,
       CASE WHEN b.op = '' AND f.side IN ('memory', 'compute') THEN b.bound = f.side END AS agrees,
       f.intensity_flop_per_byte, f.ridge_flop_per_byte,
       MAX(f.intensity_flop_per_byte / f.ridge_flop_per_byte,
           f.ridge_flop_per_byte / f.intensity_flop_per_byte) AS ridge_distance,
       s.elasticity AS eps_bytes, s.elasticity_lo AS eps_bytes_lo, s.elasticity_hi AS eps_bytes_hi,
       w.elasticity AS eps_flop, w.elasticity_lo AS eps_flop_lo, w.elasticity_hi AS eps_flop_hi,
       b.flop_by, s.bytes_ratio * s.bandwidth_ratio AS bytes_ratio, w.compute_ratio, s.rounds,
       r.cache_resident, 'timing' AS evidence
FROM bound b
JOIN run r ON r.run_no = b.run_no
JOIN cell c ON c.cell_id = r.cell_id
JOIN v_roofline f ON f.run_id = r.run_id AND f.phase = b.phase AND f.work = 'algorithmic'
     AND f.evidence <> 'counter'
LEFT JOIN intervention s ON s.base_run_id = r.run_id AND s.phase = b.phase AND s.op = b.op
     AND s.kind = 'storage'
LEFT JOIN intervention w ON w.base_run_id = r.run_id AND w.phase = b.phase AND w.op = b.op
     AND w.kind = b.flop_by;

-- A block's denoise forward against a verify forward of as many rows, round by round (the sweep has
-- one forward of each in a round, in turn): the median of the time ratio (block over verify) and its
-- 95 % rank interval.
CREATE VIEW v_same_physics AS
WITH pinned AS (
    SELECT r.run_id, f.phase, f.round, AVG(f.step_ns) AS ns, AVG(f.rows) AS rows,
           AVG(f.flop_matmul + f.flop_attention) AS flop, AVG(f.bytes_dram) AS bytes
    FROM run r
    JOIN forward f ON f.run_no = r.run_no
    WHERE f.step_ns IS NOT NULL AND f.phase IN ('verify', 'denoise')
    GROUP BY r.run_id, f.phase, f.round
),
ratio AS (
    SELECT p.run_id, p.baseline_run_id, b.rows, t.ns / b.ns AS ratio,
           t.flop / b.flop AS flop_ratio, t.bytes / b.bytes AS bytes_ratio,
           COUNT(*) OVER (PARTITION BY p.run_id) AS n,
           ROW_NUMBER() OVER (PARTITION BY p.run_id ORDER BY t.ns / b.ns) AS i
    FROM v_partner p
    JOIN run r ON r.run_id = p.baseline_run_id AND r.invocation_id = p.invocation_id
    JOIN pinned b ON b.run_id = p.baseline_run_id AND b.phase = 'verify'
    JOIN pinned t ON t.run_id = p.run_id AND t.phase = 'denoise' AND t.round = b.round
         AND t.rows = b.rows
)
SELECT q.run_id, q.baseline_run_id, v.device, v.model, v.dtype, v.threads, v.variant,
       v.batch_seqs, v.block_tokens, q.rows, q.n AS rounds,
       AVG(iif(q.i IN ((q.n + 1) / 2, q.n / 2 + 1), q.ratio, NULL)) AS time_ratio,
       MAX(iif(q.i = k.lo, q.ratio, NULL)) AS time_ratio_lo,
       MAX(iif(q.i = q.n + 1 - k.lo, q.ratio, NULL)) AS time_ratio_hi,
       q.flop_ratio, q.bytes_ratio, v.cache_resident, 'timing' AS evidence
FROM ratio q
JOIN v_run v ON v.run_id = q.run_id
LEFT JOIN rank_bound k ON k.n = MIN(q.n, 2000)
GROUP BY q.run_id;

-- A forward of the baseline's decoding phase against one of its partner's, round by round: the time
-- ratio, the one that max(FLOP/peak, bytes/bandwidth) predicts with the roofs probed in the same
-- round, and the first over the second with its 95 % rank interval.
CREATE VIEW v_pair_prediction AS
WITH pinned AS MATERIALIZED (
    SELECT r.run_id, f.phase, f.round, AVG(f.step_ns) AS ns,
           AVG(f.predicted_ceilings_ns) AS predicted_ns
    FROM run r
    JOIN forward f ON f.run_no = r.run_no
    WHERE f.step_ns IS NOT NULL AND f.phase IN ('decode', 'verify', 'denoise')
    GROUP BY r.run_id, f.phase, f.round
),
ratio AS (
    SELECT p.run_id, p.baseline_run_id, b.phase AS baseline_phase, t.phase, b.ns / t.ns AS ratio,
           b.predicted_ns / t.predicted_ns AS predicted,
           b.ns / b.predicted_ns / (t.ns / t.predicted_ns) AS residual
    FROM v_partner p
    JOIN run r ON r.run_id = p.baseline_run_id AND r.invocation_id = p.invocation_id
    JOIN pinned b ON b.run_id = p.baseline_run_id
    JOIN pinned t ON t.run_id = p.run_id AND t.round = b.round
    WHERE b.predicted_ns > 0 AND t.predicted_ns > 0
),
ranked AS (
    SELECT *, COUNT(*) OVER same AS n, ROW_NUMBER() OVER (same ORDER BY residual) AS i,
           ROW_NUMBER() OVER (same ORDER BY ratio) AS i_ratio,
           ROW_NUMBER() OVER (same ORDER BY predicted) AS i_predicted
    FROM ratio WINDOW same AS (PARTITION BY run_id, baseline_phase, phase)
)
SELECT q.run_id, q.baseline_run_id, q.baseline_phase, q.phase, q.n AS rounds,
       AVG(iif(q.i_ratio IN ((q.n + 1) / 2, q.n / 2 + 1), q.ratio, NULL)) AS time_ratio,
       AVG(iif(q.i_predicted IN ((q.n + 1) / 2, q.n / 2 + 1), q.predicted, NULL))
           AS predicted_ratio,
       AVG(iif(q.i IN ((q.n + 1) / 2, q.n / 2 + 1), q.residual, NULL)) AS residual,
       MAX(iif(q.i = k.lo, q.residual, NULL)) AS residual_lo,
       MAX(iif(q.i = q.n + 1 - k.lo, q.residual, NULL)) AS residual_hi,
       'timing' AS evidence
FROM ranked q
LEFT JOIN rank_bound k ON k.n = MIN(q.n, 2000)
GROUP BY q.run_id, q.baseline_phase, q.phase;

-- Two crossings over the rows at which a forward crosses the ridge, for each setting of a machine:
-- by the measured roofs (ridge_rows), and by what forwards reached of them (ridge_rows_reached): an
-- AR forward of one row over the time that the largest block forward takes for a row.
-- The rows of two families do not cost the same: a full-sequence forward computes logits of few.
-- steps_x_work_per_reached counts FLOPs in place of rows and AR forwards drop out of it: FLOP/s of
-- the full-sequence forward over FLOP/s of the largest block forward.
-- steps_x: steps x L / Lg at which full-sequence diffusion is as fast as AR, at batch 1.
-- batch_x: batch x b / TPF at which AR is as fast as blocks, between two measured batches: there the
-- time of a block forward over that of AR's is taken as linear in the batch.
-- _per_model: each crossing over the one that max(FLOP/peak, bytes/bandwidth) predicts for the same
-- forwards with the roofs probed in the same rounds.  Where AR's forward is all bytes and the other
-- all arithmetic that is work per FLOP/byte of the ridge; near it, too, it stays what it says.
-- batch_x_work_per_reached: the batch over the one predicted with what AR's forward at batch 1 reached
-- of the bandwidth and the full-sequence forward of the peak: forwards the crossing itself has not.
CREATE VIEW v_ridge_dial AS
WITH step AS MATERIALIZED (
    SELECT s.run_id, s.phase, s.median_ns, s.ci_lo_ns, s.ci_hi_ns, v.decoder, v.batch_seqs,
           y.residual, y.residual_lo, y.residual_hi,
           (SELECT AVG(f.flop_matmul + f.flop_attention) FROM run r
            JOIN forward f ON f.run_no = r.run_no AND f.phase = s.phase AND f.step_ns IS NOT NULL
            WHERE r.run_id = s.run_id) AS flop,
           v.block_tokens, v.prompt_tokens + v.gen_tokens AS length,
           v.device, v.model, v.layers, v.dtype, v.threads, v.variant, v.sweep_name,
           MAX(v.cache_resident) OVER w AS cache_resident, p.ridge_flop_per_byte
               * CASE v.dtype WHEN 'f32' THEN 2.0 WHEN 'bf16' THEN 1.0 ELSE 0.5 END AS ridge_rows,
           DENSE_RANK() OVER (ORDER BY v.device_id, v.model, v.layers, v.dtype, v.kv_dtype,
                              v.threads, v.variant, v.prompt_tokens, v.gen_tokens) AS setting
    FROM v_step s
    JOIN v_run v ON v.run_id = s.run_id
    JOIN v_roof p ON p.run_id = s.run_id
    LEFT JOIN v_pair_prediction y ON y.run_id = s.run_id AND y.phase = s.phase
         AND y.baseline_phase = 'decode'
    WHERE v.arithmetic IS NULL AND (s.phase = 'decode' AND v.decoder = 'ar'
          OR s.phase = 'denoise' AND v.decoder IN ('block', 'diffusion'))
    WINDOW w AS (PARTITION BY v.device_id, v.model, v.layers, v.dtype, v.threads, v.variant)
),
one AS (SELECT * FROM step WHERE decoder = 'ar' AND batch_seqs = 1),
largest AS (
    SELECT setting, block_tokens, median_ns / (batch_seqs * block_tokens) AS row_ns,
           ci_lo_ns * 1.0 / (batch_seqs * block_tokens) AS row_lo_ns,
           ci_hi_ns * 1.0 / (batch_seqs * block_tokens) AS row_hi_ns,
           flop / median_ns AS rate, flop / ci_hi_ns AS rate_lo, flop / ci_lo_ns AS rate_hi,
           ROW_NUMBER() OVER (PARTITION BY setting ORDER BY batch_seqs * block_tokens DESC) AS i
    FROM step WHERE decoder = 'block'
),
speed AS (
    SELECT b.setting, b.batch_seqs, b.block_tokens, t.tokens_per_forward / b.batch_seqs AS tpf,
           t.tokens_per_forward / b.batch_seqs * a.median_ns / b.median_ns AS ratio,
           t.tokens_per_forward / b.batch_seqs * a.ci_lo_ns / b.ci_hi_ns AS ratio_lo,
           t.tokens_per_forward / b.batch_seqs * a.ci_hi_ns / b.ci_lo_ns AS ratio_hi,
           b.residual, b.residual_lo, b.residual_hi
    FROM step b
    JOIN step a ON a.setting = b.setting AND a.decoder = 'ar' AND a.batch_seqs = b.batch_seqs
    JOIN v_throughput t ON t.run_id = b.run_id
    WHERE b.decoder = 'block'
),
neighbours AS (
    SELECT *, LEAD(batch_seqs) OVER w AS next_batch, LEAD(ratio) OVER w AS next_ratio,
           LEAD(ratio_lo) OVER w AS next_lo, LEAD(ratio_hi) OVER w AS next_hi,
           LEAD(residual) OVER w AS next_residual, LEAD(residual_lo) OVER w AS next_residual_lo,
           LEAD(residual_hi) OVER w AS next_residual_hi
    FROM speed WINDOW w AS (PARTITION BY setting, block_tokens ORDER BY batch_seqs)
),
share AS (
    SELECT *, iif(ratio >= 1 AND next_ratio < 1, (1 - 1 / ratio) / (1 / next_ratio - 1 / ratio),
                  NULL) AS at,
           iif(ratio_lo >= 1 AND next_lo < 1, (1 - 1 / ratio_lo) / (1 / next_lo - 1 / ratio_lo),
               NULL) AS at_lo,
           iif(ratio_hi >= 1 AND next_hi < 1, (1 - 1 / ratio_hi) / (1 / next_hi - 1 / ratio_hi),
               NULL) AS at_hi
    FROM neighbours
),
crossing AS (
    SELECT setting, block_tokens,
           MIN(batch_seqs + (next_batch - batch_seqs) * at) * block_tokens / AVG(tpf) AS x,
           MIN(batch_seqs + (next_batch - batch_seqs) * at_lo) * block_tokens / AVG(tpf) AS x_lo,
           MIN(batch_seqs + (next_batch - batch_seqs) * at_hi) * block_tokens / AVG(tpf) AS x_hi,
           MIN(residual + (next_residual - residual) * at) AS per_model,
           MIN(residual_lo + (next_residual_lo - residual_lo) * at) AS per_model_lo,
           MIN(residual_hi + (next_residual_hi - residual_hi) * at) AS per_model_hi
    FROM share GROUP BY setting, block_tokens
)
SELECT a.device, a.model, a.layers, a.dtype, a.threads, a.variant, a.cache_resident, a.sweep_name,
       a.ridge_rows, a.median_ns / l.row_ns AS ridge_rows_reached,
       d.length * a.median_ns / d.median_ns AS steps_x,
       d.length * 1.0 * a.ci_lo_ns / d.ci_hi_ns AS steps_x_lo,
       d.length * 1.0 * a.ci_hi_ns / d.ci_lo_ns AS steps_x_hi,
       d.length * a.median_ns / d.median_ns / a.ridge_rows AS steps_x_per_ridge,
       d.length * l.row_ns / d.median_ns AS steps_x_per_reached,
       d.length * l.row_lo_ns / d.ci_hi_ns AS steps_x_per_reached_lo,
       d.length * l.row_hi_ns / d.ci_lo_ns AS steps_x_per_reached_hi,
       d.flop / d.median_ns / l.rate AS steps_x_work_per_reached,
       d.flop / d.ci_hi_ns / l.rate_hi AS steps_x_work_per_reached_lo,
       d.flop / d.ci_lo_ns / l.rate_lo AS steps_x_work_per_reached_hi,
       d.residual AS steps_x_per_model, d.residual_lo AS steps_x_per_model_lo,
       d.residual_hi AS steps_x_per_model_hi,
       c.x AS batch_x, c.x_lo AS batch_x_lo, c.x_hi AS batch_x_hi,
       c.x / a.ridge_rows AS batch_x_per_ridge,
       c.x * l.row_ns / a.median_ns AS batch_x_per_reached,
       c.x_lo * l.row_lo_ns / a.ci_hi_ns AS batch_x_per_reached_lo,
       c.x_hi * l.row_hi_ns / a.ci_lo_ns AS batch_x_per_reached_hi,
       c.per_model AS batch_x_per_model, c.per_model_lo AS batch_x_per_model_lo,
       c.per_model_hi AS batch_x_per_model_hi,
       c.per_model / d.residual AS batch_x_work_per_reached,
       c.per_model_lo / d.residual_hi AS batch_x_work_per_reached_lo,
       c.per_model_hi / d.residual_lo AS batch_x_work_per_reached_hi,
       a.run_id, 'timing' AS evidence
FROM one a
JOIN step d ON d.setting = a.setting AND d.decoder = 'diffusion' AND d.batch_seqs = 1
JOIN largest l ON l.setting = a.setting AND l.i = 1
LEFT JOIN crossing c ON c.setting = a.setting AND c.block_tokens = l.block_tokens;

-- ---- views: speed -----------------------------------------------------------------------

-- Rates of whole decodes, one row per run.  Predicted time for plans (evidence 'analytic').
CREATE VIEW v_throughput AS
SELECT run_id, samples, tokens, forwards, time_prefill_ns, time_decode_ns,
       tokens * 1e9 / time_ns AS tokens_per_s,
       tokens_decode * 1e9 / time_decode_ns AS decode_tokens_per_s,
       tokens_decode * 1.0 / forwards_decode AS tokens_per_forward,
       tokens_decode, forwards_decode, evidence
FROM (SELECT r.run_id, COUNT(DISTINCT f.sample) AS samples,
             SUM(f.tokens_committed) AS tokens,
             SUM(f.forwards) AS forwards,
             iif(COUNT(f.ns) = COUNT(*), SUM(f.ns), NULL) AS time_ns,
             iif(COUNT(f.ns) = COUNT(*), SUM(iif(f.phase LIKE 'prefill%', f.ns, NULL)), NULL)
                 AS time_prefill_ns,
             iif(COUNT(f.ns) = COUNT(*), SUM(iif(f.phase LIKE 'prefill%', NULL, f.ns)), NULL)
                 AS time_decode_ns,
             SUM(iif(f.phase LIKE 'prefill%', NULL, f.tokens_committed)) AS tokens_decode,
             SUM(iif(f.phase LIKE 'prefill%' OR f.phase = 'draft', NULL, f.forwards))
                 AS forwards_decode,
             iif(MAX(f.kind) = 'plan', 'analytic', 'timing') AS evidence
      FROM run r
      JOIN (SELECT *, iif(kind = 'plan', COALESCE(predicted_ceilings_ns, predicted_datasheet_ns),
                          time_ns) AS ns
            FROM forward WHERE kind IN ('decode', 'plan') AND warmup = 0) f
           ON f.run_no = r.run_no
      GROUP BY r.run_id);

-- What the decodes of a run lose, each as a factor or a share of its own; 1 or 0 is no loss.
--   straggler_factor   forwards that denoise or verify, over those that each sequence was in on
--                      average: the batch waits for the last
--   eos_waste          share of the tokens made final that lie past a sequence's first eos; NULL
--                      where nothing says where that is
--   tile_factor        rows padded to the matmul's tile over rows asked for, in FLOPs
--   recompute_factor   FLOPs after prefill over what plain AR would have spent on the tokens kept
CREATE VIEW v_loss AS
SELECT p.run_id, d.device, c.model, c.decoder, c.batch_seqs, c.batch_policy, c.block_tokens,
       c.denoise_steps, c.strategy,
       c.batch_seqs * 1.0 * SUM(iif(p.phase IN ('denoise', 'refresh', 'reuse', 'fused', 'verify'),
                                    p.forwards, NULL))
           / SUM(iif(p.phase IN ('denoise', 'refresh', 'reuse', 'fused', 'verify'), p.seqs, NULL))
           AS straggler_factor,
       SUM(p.tokens_past_eos) * 1.0 / (SUM(p.tokens_past_eos) + SUM(p.tokens_committed))
           AS eos_waste,
       SUM(p.flop_executed) * 1.0 / SUM(p.flop) AS tile_factor,
       SUM(iif(p.phase = 'prefill', NULL, p.flop)) * 1.0
           / SUM(iif(p.phase = 'prefill', NULL, p.flop_useful)) AS recompute_factor,
       'analytic' AS evidence
FROM v_phase p
JOIN run r ON r.run_id = p.run_id
JOIN cell c ON c.cell_id = r.cell_id
JOIN device d ON d.device_id = r.device_id
GROUP BY p.run_id;

-- A partner run and the baseline it is compared with: of the same pair on the same device, from
-- the same invocation where there is one, else the newest.
CREATE VIEW v_partner AS
SELECT p.run_id, p.pair_id, p.invocation_id, p.cell_id, p.device_id, p.match,
       (SELECT run_id
        FROM (SELECT b.run_id, b.invocation_id = p.invocation_id AS same, b.recorded_utc, b.run_no
              FROM run b
              WHERE b.pair_id = p.pair_id AND b.pair_baseline = 1 AND b.status = 'ok'
                AND b.device_id = p.device_id)
        ORDER BY same DESC, recorded_utc DESC, run_no DESC
        LIMIT 1) AS baseline_run_id
FROM run p
WHERE p.pair_baseline = 0 AND p.status = 'ok';

-- Mean time of a forward after prefill, with that of the draft forwards before it: pinned medians
-- weighted by how often each phase occurs in a whole decode; a phase that was not pinned enters
-- with its mean.
CREATE VIEW v_mix AS
SELECT p.run_id, SUM(p.counted) AS forwards,
       SUM(p.forwards * COALESCE(s.median_ns, p.ns / p.forwards)) / SUM(p.counted) AS mean_ns,
       iif(COUNT(s.ci_lo_ns) = COUNT(*), SUM(p.forwards * s.ci_lo_ns) * 1.0 / SUM(p.counted),
           NULL) AS lo_ns,
       iif(COUNT(s.ci_hi_ns) = COUNT(*), SUM(p.forwards * s.ci_hi_ns) * 1.0 / SUM(p.counted),
           NULL) AS hi_ns,
       iif(COUNT(s.median_ns) = COUNT(*), 'pinned', 'whole') AS basis,
       MIN(p.evidence) AS evidence
FROM (SELECT run_id, phase, forwards, iif(phase = 'draft', 0, forwards) AS counted, evidence,
             iif(evidence = 'analytic', predicted_ns, time_ns * 1.0) AS ns
      FROM v_phase WHERE phase NOT LIKE 'prefill%') p
LEFT JOIN v_step s ON s.run_id = p.run_id AND s.phase = p.phase
GROUP BY p.run_id
HAVING COUNT(COALESCE(s.median_ns, p.ns)) = COUNT(*);

-- Tokens a partner's forward must commit to be as fast as the baseline: the baseline's tokens
-- per forward times how much longer the partner's forward takes.
CREATE VIEW v_break_even AS
WITH pair AS MATERIALIZED (SELECT * FROM v_partner),
rate AS MATERIALIZED (SELECT * FROM v_throughput),
mix AS MATERIALIZED (SELECT * FROM v_mix)
SELECT p.pair_id, p.run_id, p.baseline_run_id, d.device, d.kind AS device_kind, c.model, c.decoder,
       c.batch_seqs, c.block_tokens, c.denoise_steps, p.match,
       m.mean_ns AS forward_ns, a.mean_ns AS baseline_forward_ns,
       m.mean_ns / a.mean_ns AS forward_time_ratio,
       bt.tokens_per_forward * m.mean_ns / a.mean_ns AS tokens_per_forward_needed,
       bt.tokens_per_forward * m.lo_ns / a.hi_ns AS tokens_per_forward_needed_lo,
       bt.tokens_per_forward * m.hi_ns / a.lo_ns AS tokens_per_forward_needed_hi,
       pt.tokens_per_forward,
       bt.tokens_per_forward * m.mean_ns / a.mean_ns / c.batch_seqs
           AS tokens_per_forward_needed_per_seq,
       bt.tokens_per_forward * m.lo_ns / a.hi_ns / c.batch_seqs
           AS tokens_per_forward_needed_per_seq_lo,
       bt.tokens_per_forward * m.hi_ns / a.lo_ns / c.batch_seqs
           AS tokens_per_forward_needed_per_seq_hi,
       pt.tokens_per_forward / c.batch_seqs AS tokens_per_forward_per_seq,
       MAX(m.basis, a.basis) AS basis, MIN(m.evidence, a.evidence) AS evidence
FROM pair p
CROSS JOIN cell c ON c.cell_id = p.cell_id
CROSS JOIN device d ON d.device_id = p.device_id
CROSS JOIN mix m ON m.run_id = p.run_id
CROSS JOIN mix a ON a.run_id = p.baseline_run_id
CROSS JOIN rate pt ON pt.run_id = p.run_id
CROSS JOIN rate bt ON bt.run_id = p.baseline_run_id;

-- Time of a decode as each interleaving round saw it: pinned forwards weighted by how often
-- they occur in the measured decodes, phases that were not pinned at their total.
CREATE VIEW v_round AS
SELECT t.run_id, t.round,
       SUM(iif(t.phase LIKE 'prefill%', 0, t.forwards * t.ns)) + k.decode_ns AS decode_ns,
       SUM(t.forwards * t.ns) + k.total_ns AS total_ns
FROM (SELECT r.run_id, f.round, f.phase, AVG(f.step_ns) AS ns, p.forwards
      FROM run r
      JOIN forward f ON f.run_no = r.run_no
      JOIN v_phase p ON p.run_id = r.run_id AND p.phase = f.phase
      WHERE f.step_ns IS NOT NULL
      GROUP BY r.run_id, f.round, f.phase) t
JOIN (SELECT p.run_id, COUNT(s.phase) AS phases,
             TOTAL(iif(s.phase IS NULL AND p.phase NOT LIKE 'prefill%', p.time_ns, NULL))
                 AS decode_ns,
             TOTAL(iif(s.phase IS NULL, p.time_ns, NULL)) AS total_ns
      FROM v_phase p
      LEFT JOIN v_step s ON s.run_id = p.run_id AND s.phase = p.phase
      GROUP BY p.run_id) k ON k.run_id = t.run_id
GROUP BY t.run_id, t.round
HAVING COUNT(*) = k.phases;

-- How much faster the partner is, round by round: median and 95 % rank interval, relative to
-- that median.
CREATE VIEW v_round_ratio AS
WITH ratio AS (
    SELECT p.run_id, b.decode_ns / t.decode_ns AS decode, b.total_ns / t.total_ns AS total
    FROM v_partner p
    JOIN run r ON r.run_id = p.baseline_run_id AND r.invocation_id = p.invocation_id
    JOIN v_round t ON t.run_id = p.run_id
    JOIN v_round b ON b.run_id = p.baseline_run_id AND b.round = t.round
),
ranked AS (
    SELECT run_id, decode, total, COUNT(*) OVER (PARTITION BY run_id) AS n,
           ROW_NUMBER() OVER (PARTITION BY run_id ORDER BY decode) AS i,
           ROW_NUMBER() OVER (PARTITION BY run_id ORDER BY total) AS j
    FROM ratio
)
SELECT run_id, n AS rounds,
       MAX(iif(i = lo, decode, NULL))
           / AVG(iif(i IN ((n + 1) / 2, n / 2 + 1), decode, NULL)) AS decode_lo,
       MAX(iif(i = n + 1 - lo, decode, NULL))
           / AVG(iif(i IN ((n + 1) / 2, n / 2 + 1), decode, NULL)) AS decode_hi,
       MAX(iif(j = lo, total, NULL))
           / AVG(iif(j IN ((n + 1) / 2, n / 2 + 1), total, NULL)) AS total_lo,
       MAX(iif(j = n + 1 - lo, total, NULL))
           / AVG(iif(j IN ((n + 1) / 2, n / 2 + 1), total, NULL)) AS total_hi
FROM (SELECT q.*, b.lo FROM ranked q LEFT JOIN rank_bound b ON b.n = MIN(q.n, 2000))
GROUP BY run_id;

-- The share of its roof a run reaches after prefill: of each phase, weighted by its time.
CREATE VIEW v_arm AS
SELECT f.run_id, SUM(f.roof_fraction * w.ns) / SUM(w.ns) AS roof_fraction
FROM v_roofline f
JOIN (SELECT run_id, phase, iif(evidence = 'analytic', predicted_ns, time_ns) AS ns
      FROM v_phase WHERE phase NOT LIKE 'prefill%') w ON w.run_id = f.run_id AND w.phase = f.phase
WHERE f.work = 'algorithmic' AND f.evidence <> 'counter'
GROUP BY f.run_id;

-- Matched runs side by side; ratios are partner over baseline, above 1 when the partner is
-- faster.  Intervals: the ratio of whole decodes, spread as the rounds spread.
CREATE VIEW v_pair AS
WITH pair AS MATERIALIZED (SELECT * FROM v_partner),
rate AS MATERIALIZED (SELECT * FROM v_throughput),
arm AS MATERIALIZED (SELECT * FROM v_arm)
SELECT p.pair_id, d.device, d.kind AS device_kind, c.model, c.dtype, p.match,
       p.baseline_run_id, p.run_id, bc.decoder AS baseline_decoder, c.decoder,
       bc.batch_seqs AS baseline_batch_seqs, c.batch_seqs, c.depth_tokens, c.prompt_tokens,
       c.gen_tokens,
       c.block_tokens, c.denoise_steps, c.strategy, c.cache, c.refresh_forwards, c.commit_policy,
       c.draft, c.draft_layers, c.draft_tokens, c.acceptance,
       pt.decode_tokens_per_s / bt.decode_tokens_per_s AS decode_ratio,
       pt.decode_tokens_per_s / bt.decode_tokens_per_s * q.decode_lo AS decode_ratio_lo,
       pt.decode_tokens_per_s / bt.decode_tokens_per_s * q.decode_hi AS decode_ratio_hi,
       pt.tokens_per_s / bt.tokens_per_s AS end_to_end_ratio,
       pt.tokens_per_s / bt.tokens_per_s * q.total_lo AS end_to_end_ratio_lo,
       pt.tokens_per_s / bt.tokens_per_s * q.total_hi AS end_to_end_ratio_hi,
       q.rounds,
       bt.decode_tokens_per_s AS baseline_decode_tokens_per_s, pt.decode_tokens_per_s,
       bt.tokens_per_s AS baseline_tokens_per_s, pt.tokens_per_s,
       ba.roof_fraction AS baseline_roof_fraction, pa.roof_fraction,
       bt.tokens_per_forward AS baseline_tokens_per_forward, pt.tokens_per_forward,
       e.tokens_per_forward_needed, e.tokens_per_forward_needed_lo,
       e.tokens_per_forward_needed_hi,
       bc.batch_seqs * 1e9 / bt.decode_tokens_per_s AS baseline_token_latency_ns,
       c.batch_seqs * 1e9 / pt.decode_tokens_per_s AS token_latency_ns,
       br.memory_bytes AS baseline_memory_bytes, pr.memory_bytes, pr.memory_budget_bytes,
       pr.latency_budget_ms,
       MIN(bt.evidence, pt.evidence) AS evidence,
       br.invocation_id = p.invocation_id AS same_invocation
FROM pair p
CROSS JOIN run br ON br.run_id = p.baseline_run_id
CROSS JOIN run pr ON pr.run_id = p.run_id
CROSS JOIN cell c ON c.cell_id = p.cell_id
CROSS JOIN cell bc ON bc.cell_id = br.cell_id
CROSS JOIN device d ON d.device_id = p.device_id
CROSS JOIN rate pt ON pt.run_id = p.run_id
CROSS JOIN rate bt ON bt.run_id = p.baseline_run_id
LEFT JOIN v_break_even e ON e.run_id = p.run_id
LEFT JOIN arm pa ON pa.run_id = p.run_id
LEFT JOIN arm ba ON ba.run_id = p.baseline_run_id
LEFT JOIN v_round_ratio q ON q.run_id = p.run_id;

-- What a sequence waits for a token after prefill, and what the whole batch gets done meanwhile:
-- decoders at equal latency are compared along this curve.  best: no run of the same decoder and
-- model on that device is at least as quick and does more.
CREATE VIEW v_latency AS
SELECT l.*, NOT EXISTS (SELECT 1 FROM v_throughput o JOIN v_run p ON p.run_id = o.run_id
                        WHERE p.device_id = l.device_id AND p.model = l.model
                          AND p.layers IS l.layers AND p.dtype = l.dtype
                          AND p.compute_dtype = l.compute_dtype
                          AND p.decoder = l.decoder AND p.prompt_tokens = l.prompt_tokens
                          AND p.gen_tokens = l.gen_tokens
                          AND p.batch_seqs * 1e9 / o.decode_tokens_per_s <= l.token_latency_ns
                          AND o.decode_tokens_per_s > l.decode_tokens_per_s) AS best
FROM (SELECT r.run_id, r.device, r.device_kind, r.device_id, r.model, r.layers, r.dtype,
             r.compute_dtype, r.decoder,
             r.batch_seqs, r.depth_tokens, r.prompt_tokens, r.gen_tokens, r.block_tokens,
             r.denoise_steps, r.cache, r.draft, r.draft_tokens, r.acceptance, r.threads,
             r.batch_seqs * 1e9 / t.decode_tokens_per_s AS token_latency_ns,
             t.decode_tokens_per_s, r.memory_bytes, t.evidence
      FROM v_throughput t JOIN v_run r ON r.run_id = t.run_id) l;

-- ---- views: quality ---------------------------------------------------------------------

-- Each policy on each process, with the tokens it commits per forward after prefill.
CREATE VIEW v_quality AS
SELECT q.quality_id, c.model AS process, c.decoder, c.batch_seqs, c.batch_policy, c.prompt_tokens,
       c.gen_tokens, c.block_tokens, c.denoise_steps, c.strategy, c.schedule, c.threshold,
       c.factor, c.entropy_bound, c.eta, c.commit_policy, c.draft_tokens, c.acceptance,
       c.temperature, c.head, c.seed,
       (SELECT SUM(f.tokens) * 1.0 / SUM(f.forwards) FROM quality_forward f
        WHERE f.quality_id = q.quality_id AND f.phase NOT LIKE 'prefill%') AS tokens_per_forward,
       q.law, q.kl, q.kl_lo, q.kl_hi, q.reverse, q.reverse_lo, q.reverse_hi, q.tv, q.tv_lo,
       q.tv_hi, q.surprise, q.surprise_lo, q.surprise_hi, q.entropy, q.entropy_lo, q.entropy_hi,
       q.reverse_least, q.samples, q.process_sha256, q.recorded_utc, q.invocation_id, q.cell_id
FROM quality q
JOIN cell c ON c.cell_id = q.cell_id;

-- Time of one forward of a phase: the pinned median where there is one, else the mean over whole
-- decodes; or as predicted.
CREATE VIEW v_forward_time AS
SELECT p.run_id, p.phase,
       iif(p.evidence = 'analytic', p.predicted_ns / p.forwards,
           COALESCE(s.median_ns, p.time_ns * 1.0 / p.forwards)) AS ns,
       iif(p.evidence = 'analytic', NULL, s.ci_lo_ns) AS lo_ns,
       iif(p.evidence = 'analytic', NULL, s.ci_hi_ns) AS hi_ns,
       p.evidence
FROM v_phase p
LEFT JOIN v_step s ON s.run_id = p.run_id AND s.phase = p.phase AND p.evidence = 'timing';

-- A policy's quality on a process beside the speed it would have on a device and model: its own
-- forwards after prefill, each at the time that such a forward took in a run of the same decoder,
-- batch, block and drafts.  One row per policy and such run, of either evidence; never mixed.
CREATE VIEW v_speed_at_quality AS
SELECT q.quality_id, q.cell_id AS quality_cell_id, q.recorded_utc AS quality_utc, r.run_id,
       q.process, r.device, r.device_kind, r.device_id, r.model, r.layers, r.dtype, r.kv_dtype,
       r.threads, r.isa, r.compute_dtype, q.decoder, q.strategy, q.block_tokens, q.denoise_steps, q.schedule,
       q.threshold, q.factor, q.entropy_bound, q.draft_tokens, q.acceptance, q.batch_seqs,
       q.gen_tokens AS process_tokens, r.denoise_steps AS run_steps, r.prompt_tokens,
       r.gen_tokens, q.tokens_per_forward, q.law, q.kl, q.kl_lo, q.kl_hi, q.reverse, q.reverse_lo,
       q.reverse_hi, q.reverse_least, q.tv, q.surprise, q.entropy,
       SUM(f.tokens) * 1e9 / SUM(f.forwards * t.ns) AS tokens_per_s,
       iif(COUNT(t.hi_ns) = COUNT(*), SUM(f.tokens) * 1e9 / SUM(f.forwards * t.hi_ns), NULL)
           AS tokens_per_s_lo,
       iif(COUNT(t.lo_ns) = COUNT(*), SUM(f.tokens) * 1e9 / SUM(f.forwards * t.lo_ns), NULL)
           AS tokens_per_s_hi,
       MAX(t.evidence) AS evidence, r.recorded_utc
FROM v_quality q
JOIN v_run r ON r.status = 'ok' AND r.decoder = q.decoder AND r.batch_seqs = q.batch_seqs
            AND r.block_tokens IS iif(q.decoder = 'diffusion', r.block_tokens, q.block_tokens)
            AND r.draft_tokens IS q.draft_tokens AND r.commit_policy IS q.commit_policy
            AND r.cache IS NULL AND r.draft IS NULL AND r.guidance IS NULL
            AND r.arithmetic IS NULL AND r.eos IS NULL
JOIN quality_forward f ON f.quality_id = q.quality_id AND f.phase NOT LIKE 'prefill%'
LEFT JOIN v_forward_time t ON t.run_id = r.run_id AND t.phase = f.phase
GROUP BY q.quality_id, r.run_id
HAVING COUNT(t.ns) = COUNT(*);

-- Each curve and bound of the newest experiment on each source.
CREATE VIEW v_corruption AS
SELECT c.source, c.corruption, c.width, p.quantity, p.x, p.value, c.entropy, c.useful_time,
       c.symbols, c.tokens, c.sequences, c.process_sha256, c.corruption_id, c.recorded_utc,
       c.invocation_id
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY source, corruption, width
                                   ORDER BY recorded_utc DESC, corruption_id) AS age
      FROM corruption) c
JOIN corruption_point p ON p.corruption_id = c.corruption_id
WHERE c.age = 1;

-- One row per bound, with what it is of.
CREATE VIEW v_nelbo AS
SELECT n.nelbo_id, c.model, c.decoder, c.block_tokens, c.gen_tokens AS sequence_tokens,
       n.estimator, n.schedule, n.sequences, n.draws, n.nelbo, n.nelbo_lo, n.nelbo_hi, n.excess,
       n.excess_lo, n.excess_hi, c.seed, n.process_sha256, n.recorded_utc, n.invocation_id,
       n.cell_id
FROM nelbo n
JOIN cell c ON c.cell_id = n.cell_id;

-- ---- views: counters --------------------------------------------------------------------

-- Mean of one forward of a phase as counted, over all forwards and samples; each counter of the
-- pass that is made for it.
CREATE VIEW v_counter AS
SELECT r.run_id, f.phase, f.l2_state, c.chip,
       COUNT(DISTINCT f.sample) AS samples,
       MAX(SUM(f.probe = 'cupti-base'), SUM(f.probe = 'perf'), SUM(f.probe = 'perf-software'))
           AS forwards,
       AVG(iif(f.probe = 'cupti-base', f.device_ns, NULL)) AS device_ns,
       AVG(iif(f.probe IN ('cupti-base', 'perf'), f.dram_read_bytes, NULL)) AS dram_read_bytes,
       AVG(iif(f.probe IN ('cupti-base', 'perf'), f.dram_write_bytes, NULL)) AS dram_write_bytes,
       AVG(iif(f.probe = 'cupti-base', f.l2_bytes, NULL)) AS l2_bytes,
       AVG(iif(f.probe = 'cupti-base', f.l2_all_bytes, NULL)) AS l2_all_bytes,
       AVG(iif(f.probe = 'cupti-base', f.l2_fabric_bytes, NULL)) AS l2_fabric_bytes,
       AVG(iif(f.probe = 'cupti-base', f.l2_host_bytes, NULL)) AS l2_host_bytes,
       AVG(iif(f.probe = 'cupti-base', f.l1_bytes, NULL)) AS l1_bytes,
       AVG(f.l1_fill_bytes) AS l1_fill_bytes, AVG(f.l1_drain_bytes) AS l1_drain_bytes,
       AVG(f.flop_tensor) AS flop_tensor, AVG(f.flop_vector) AS flop_vector,
       AVG(f.sm_cycles) AS sm_cycles, AVG(f.sm_hz) AS sm_hz, AVG(f.dram_hz) AS dram_hz,
       AVG(f.dram_hz * f.dram_peak_bytes_per_cycle) AS dram_peak_bytes_per_s,
       AVG(f.sm_hz * f.tensor_peak_flop_per_cycle) AS tensor_peak_flop_per_s,
       AVG(f.cpu_cycles) AS cpu_cycles, AVG(f.cpu_instructions) AS cpu_instructions,
       AVG(f.llc_misses) AS llc_misses, AVG(f.task_clock_ns) AS task_clock_ns,
       AVG(f.page_faults) AS page_faults, AVG(f.context_switches) AS context_switches
FROM run r
JOIN forward_counter f ON f.run_no = r.run_no
JOIN counting c ON c.run_no = f.run_no AND c.probe = f.probe AND c.l2_state = f.l2_state
GROUP BY r.run_id, f.phase, f.l2_state;

-- The forward that was pinned and timed, as counted: one row per counted decode.
CREATE VIEW v_pinned_counter AS
SELECT r.run_id, r.run_no, b.phase, b.l2_state, b.sample, b.step,
       b.dram_read_bytes + b.dram_write_bytes AS dram_bytes, b.l2_bytes, b.l1_bytes,
       b.flop_tensor, v.flop_vector
FROM (SELECT run_no, phase, MIN(step) AS step FROM forward WHERE step_ns IS NOT NULL
      GROUP BY run_no, phase) p
JOIN run r ON r.run_no = p.run_no
JOIN forward_counter b ON b.run_no = p.run_no AND b.probe IN ('cupti-base', 'perf')
     AND b.step = p.step
LEFT JOIN (SELECT run_no, l2_state, step, AVG(flop_vector) AS flop_vector FROM forward_counter
           WHERE probe = 'cupti-vector' GROUP BY run_no, l2_state, step) v
     ON v.run_no = b.run_no AND v.l2_state = b.l2_state AND v.step = b.step;

-- What the ledger says a forward moves and computes, with its band, against what was counted:
-- median over the counted decodes, with a 95 % rank interval from six on.
CREATE VIEW v_model_vs_counter AS
WITH counted AS (
    SELECT run_id, run_no, phase, l2_state, 'dram_bytes' AS quantity, dram_bytes * 1.0 AS value
    FROM v_pinned_counter WHERE dram_bytes IS NOT NULL
    UNION ALL
    SELECT run_id, run_no, phase, l2_state, 'flop', flop_tensor + flop_vector * 1.0
    FROM v_pinned_counter WHERE flop_tensor + flop_vector IS NOT NULL
),
ranked AS (
    SELECT *, COUNT(*) OVER same AS n, ROW_NUMBER() OVER (same ORDER BY value) AS i
    FROM counted WINDOW same AS (PARTITION BY run_no, phase, l2_state, quantity)
),
summed AS (
    SELECT run_id, run_no, phase, l2_state, quantity, MAX(ranked.n) AS samples,
           AVG(iif(i IN ((ranked.n + 1) / 2, ranked.n / 2 + 1), value, NULL)) AS counter,
           MAX(iif(i = lo, value, NULL)) AS counter_lo,
           MAX(iif(i = ranked.n + 1 - lo, value, NULL)) AS counter_hi,
           MIN(value) AS counter_min, MAX(value) AS counter_max
    FROM ranked LEFT JOIN rank_bound b ON b.n = MIN(ranked.n, 2000)
    GROUP BY run_id, run_no, phase, l2_state, quantity
),
model AS (
    SELECT run_no, phase, AVG(bytes_dram) AS bytes, AVG(bytes_dram_lo) AS bytes_lo,
           AVG(bytes_dram_hi) AS bytes_hi, AVG(flop_executed) AS flop,
           AVG(flop_matmul + flop_attention) AS flop_lo, AVG(flop_executed + flop_vector) AS flop_hi
    FROM forward WHERE step_ns IS NOT NULL GROUP BY run_no, phase
)
SELECT s.run_id, s.phase, s.quantity, s.l2_state, s.samples, s.counter, s.counter_lo, s.counter_hi,
       s.counter_min, s.counter_max,
       iif(s.quantity = 'flop', m.flop, m.bytes) AS model,
       iif(s.quantity = 'flop', m.flop_lo, m.bytes_lo) AS model_lo,
       iif(s.quantity = 'flop', m.flop_hi, m.bytes_hi) AS model_hi,
       s.counter / iif(s.quantity = 'flop', m.flop, m.bytes) AS ratio,
       s.counter / iif(s.quantity = 'flop', m.flop_hi, m.bytes_hi) AS ratio_lo,
       s.counter / iif(s.quantity = 'flop', m.flop_lo, m.bytes_lo) AS ratio_hi,
       s.counter BETWEEN iif(s.quantity = 'flop', m.flop_lo, m.bytes_lo)
                     AND iif(s.quantity = 'flop', m.flop_hi, m.bytes_hi) AS in_band,
       'counter' AS evidence
FROM summed s
JOIN model m ON m.run_no = s.run_no AND m.phase = s.phase;

-- Whether the counters themselves are right: one row per counter and known work.
CREATE VIEW v_known_work AS
SELECT r.run_id, k.probe, k.l2_state, k.work, k.counter, k.known, k.counted,
       k.counted * 1.0 / k.known AS ratio,
       k.counted NOT BETWEEN 0.98 * k.known AND 1.02 * k.known AS off
FROM known_work k
JOIN run r ON r.run_no = k.run_no;

-- One row per run: energy of a token, and the state of the GPU around it.
CREATE VIEW v_energy AS
SELECT r.run_id, e.decodes, e.tokens, e.window_ns, e.energy_mj,
       e.energy_mj / 1000.0 / e.tokens AS joules_per_token,
       e.energy_mj * 1e6 / e.window_ns AS power_w,
       e.sm_before_mhz, e.sm_after_mhz, e.memory_before_mhz, e.memory_after_mhz,
       e.temperature_before_c, e.temperature_after_c, e.throttle_bits
FROM energy e
JOIN run r ON r.run_no = e.run_no;

-- Which kernels a forward runs: sums over a name.  Where it was traced and where it was counted
-- alone are two passes, joined by the order of the launches.
CREATE VIEW v_forward_kernel AS
SELECT r.run_id, a.phase, a.name, COUNT(*) AS launches, SUM(a.end_ns - a.start_ns) AS time_ns,
       SUM(a.end_ns - a.start_ns) * 1.0 /
           (SELECT SUM(t.end_ns - t.start_ns) FROM forward_kernel t
            WHERE t.run_no = r.run_no AND t.probe = a.probe AND t.phase = a.phase) AS share,
       SUM(k.dram_read_bytes) AS dram_read_bytes, SUM(k.dram_write_bytes) AS dram_write_bytes,
       SUM(k.l2_bytes) AS l2_bytes, SUM(k.l1_bytes) AS l1_bytes, SUM(k.flop_tensor) AS flop_tensor
FROM run r
JOIN forward_kernel a ON a.run_no = r.run_no AND a.probe = 'cupti-activity'
LEFT JOIN forward_kernel k ON k.run_no = a.run_no AND k.probe = 'cupti-kernel'
     AND k.l2_state = a.l2_state AND k.sample = a.sample AND k.step = a.step
     AND k.ordinal = a.ordinal
     -- Only where both passes launched as many: else an ordinal means another kernel.
     AND (SELECT COUNT(*) FROM forward_kernel x
          WHERE x.run_no = a.run_no AND x.probe = 'cupti-kernel' AND x.l2_state = a.l2_state
            AND x.sample = a.sample AND x.step = a.step) =
         (SELECT COUNT(*) FROM forward_kernel x
          WHERE x.run_no = a.run_no AND x.probe = a.probe AND x.l2_state = a.l2_state
            AND x.sample = a.sample AND x.step = a.step)
GROUP BY r.run_id, a.phase, a.name;

-- One row per run, phase and operation: the kernels of the pinned forward launched for it.
CREATE VIEW v_forward_op AS
SELECT r.run_id, k.phase, COALESCE(k.op, 'other') AS op, COUNT(DISTINCT k.call) AS calls,
       COUNT(*) AS launches, SUM(k.end_ns - k.start_ns) AS time_ns
FROM run r
JOIN forward_kernel k ON k.run_no = r.run_no AND k.probe = 'cupti-activity'
     AND k.l2_state = 'steady'
GROUP BY r.run_id, k.phase, k.op;

-- The same beside what the ledger says of that forward and the run's roofs.
CREATE VIEW v_operation AS
SELECT k.run_id, k.phase, k.op, k.calls, k.launches, k.time_ns, l.flop, l.bytes_dram,
       l.flop * 1e9 / k.time_ns AS flop_per_s, l.bytes_dram * 1e9 / k.time_ns AS bytes_per_s,
       l.flop * 1e9 / k.time_ns / q.peak_flop_per_s AS of_peak,
       l.bytes_dram * 1e9 / k.time_ns / q.bytes_per_s AS of_bandwidth
FROM v_forward_op k
JOIN (SELECT r.run_id, f.phase, o.op, AVG(o.flop_matmul + o.flop_attention) AS flop,
             AVG(o.bytes_dram) AS bytes_dram
      FROM run r
      JOIN forward f ON f.run_no = r.run_no AND f.kind = 'trace'
      JOIN forward_op o ON o.op_id BETWEEN 32 * f.forward_id AND 32 * f.forward_id + 31
      GROUP BY r.run_id, f.phase, o.op) l
     ON l.run_id = k.run_id AND l.phase = k.phase AND l.op = k.op
LEFT JOIN v_roof q ON q.run_id = k.run_id;

-- One row per run and phase: what of the timed forward no kernel runs.  Its median time less that
-- of its kernels, traced in another pass.
CREATE VIEW v_launch_gap AS
SELECT s.run_id, s.phase, s.n, s.median_ns AS time_ns, o.launches, o.time_ns AS kernel_ns,
       s.median_ns - o.time_ns AS gap_ns, 1 - o.time_ns / s.median_ns AS gap_share
FROM v_step s
JOIN (SELECT run_id, phase, SUM(launches) AS launches, SUM(time_ns) AS time_ns FROM v_forward_op
      GROUP BY run_id, phase) o ON o.run_id = s.run_id AND o.phase = s.phase;

-- One row per run, phase, shape and what multiplied it: the kernels of one product in their order
-- (a sum over a split k is one of its own), over the products of a shape that ran the same ones.
CREATE VIEW v_matmul_kernel AS
SELECT run_id, phase, op, rows, columns, inner, kernels, COUNT(*) AS calls, launches,
       AVG(ns) AS time_ns, 2.0 * rows * columns * inner * 1e9 / AVG(ns) AS flop_per_s
FROM (SELECT run_id, phase, op, rows, columns, inner, group_concat(name, ' + ') AS kernels,
             COUNT(*) AS launches, SUM(end_ns - start_ns) AS ns
      FROM (SELECT r.run_id, k.* FROM run r
            JOIN forward_kernel k ON k.run_no = r.run_no AND k.probe = 'cupti-activity'
                 AND k.l2_state = 'steady'
            WHERE k.op IN ('matmul', 'head')
            ORDER BY k.run_no, k.phase, k.step, k.call, k.ordinal)
      GROUP BY run_id, phase, step, call)
GROUP BY run_id, phase, op, rows, columns, inner, kernels;
