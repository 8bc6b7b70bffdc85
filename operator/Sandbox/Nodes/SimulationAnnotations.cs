namespace Bursar.Sandbox.Nodes;

/// <summary>
/// What a pod's annotations tell the simulator about its workload. Durations are written as in Go (<c>90ms</c>,
/// <c>2m30s</c>), numbers with a point. An annotation that cannot be read fails the pod with a message instead of being
/// guessed at.
/// </summary>
public static class SimulationAnnotations
{
    public const string Prefix = "sim.bursar.dev/";

    /// <summary>
    /// <c>training</c>, <c>inference</c>, or <c>run</c> (the default): holds what it was given and ends after <see cref="RunFor"/>, if set.
    /// </summary>
    public const string Work = Prefix + "work";

    /// <summary>
    /// From the container's start to the first step, to readiness for inference, or to the beginning of <see cref="RunFor"/>.
    /// </summary>
    public const string Startup = Prefix + "startup";

    public const string RunFor = Prefix + "run-for";

    /// <summary>Added to <see cref="RunFor"/> once for each completion index below the pod's own.</summary>
    public const string RunForPerIndex = Prefix + "run-for-per-index";

    /// <summary>The exit code at the normal end.</summary>
    public const string ExitCode = Prefix + "exit-code";

    /// <summary>Completion indexes whose pods end with exit code 1, as in <c>3,5-7</c>.</summary>
    public const string FailIndexes = Prefix + "fail-indexes";

    /// <summary>How many attempts at each of <see cref="FailIndexes"/> fail: all unless set.</summary>
    public const string FailAttempts = Prefix + "fail-attempts";

    /// <summary>How long the container lives on after SIGTERM (cut off by the grace period, then the exit code is 137).</summary>
    public const string TermTime = Prefix + "term-time";

    /// <summary>The exit code after SIGTERM: 143 unless set.</summary>
    public const string TermExitCode = Prefix + "term-exit-code";

    /// <summary>The share of its devices' time in which it works: 0 to 1.</summary>
    public const string Busy = Prefix + "busy";

    public const string Steps = Prefix + "steps";

    public const string StepTime = Prefix + "step-time";

    /// <summary>From this step on every step takes <see cref="SlowFactor"/> times as long.</summary>
    public const string SlowAfter = Prefix + "slow-after";

    public const string SlowFactor = Prefix + "slow-factor";

    public const string CheckpointEvery = Prefix + "checkpoint-every";

    public const string CheckpointTime = Prefix + "checkpoint-time";

    /// <summary>Whether a last checkpoint is written between SIGTERM and the end.</summary>
    public const string CheckpointOnTerm = Prefix + "checkpoint-on-term";

    /// <summary>
    /// Writes a checkpoint, in <see cref="CheckpointTime"/>, when one is asked for: <c>post</c> asks the node's agent and acknowledges
    /// there, <c>annotation</c> reads and writes the Job's annotations, <c>ignore</c> asks the agent and does nothing.
    /// </summary>
    public const string CheckpointOnRequest = Prefix + "checkpoint-on-request";

    /// <summary>How often it looks whether one is asked for: 5 s unless set.</summary>
    public const string CheckpointPoll = Prefix + "checkpoint-poll";

    /// <summary>The step at which the trainer dies with <see cref="ExitCode"/> (1 if that is not set).</summary>
    public const string FailAtStep = Prefix + "fail-at-step";

    /// <summary>By how much steps differ, as a share of a step; drawn from the simulator's seed and the pod's name.</summary>
    public const string Jitter = Prefix + "jitter";

    /// <summary>How progress is told, a list: <c>metric</c>, <c>post</c>, <c>annotation</c>.</summary>
    public const string Report = Prefix + "report";

    public const string ReportEvery = Prefix + "report-every";

    /// <summary>The port of the metrics page: 8000 for inference, 9000 for training that reports by metric.</summary>
    public const string Port = Prefix + "port";

    public const string Model = Prefix + "model";

    public const string TokensPerSecond = Prefix + "tokens-per-second";

    public const string PromptTokensPerSecond = Prefix + "prompt-tokens-per-second";

    /// <summary>
    /// The bytes of each GPU that the KV cache takes, as vLLM tells them when started with <c>--kv-cache-memory-bytes</c>.
    /// </summary>
    public const string CacheBytes = Prefix + "kv-cache-memory-bytes";

    public const string Waiting = Prefix + "waiting";

    /// <summary>From a request's arrival to its first token: 200 ms unless set.</summary>
    public const string FirstToken = Prefix + "first-token";
}
