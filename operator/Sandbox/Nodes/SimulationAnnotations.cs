namespace Bursar.Sandbox.Nodes;

/// <summary>
/// The annotations with which a pod describes its workload to the simulator. Durations are Go durations (<c>90ms</c>, <c>2m30s</c>),
/// numbers have a decimal point. An invalid annotation fails the pod with a message.
/// </summary>
public static class SimulationAnnotations
{
    public const string Prefix = "sim.bursar.dev/";

    /// <summary>
    /// <c>training</c>, <c>inference</c>, or <c>run</c> (default), which ends after <see cref="RunFor"/> if that is set.
    /// </summary>
    public const string Work = Prefix + "work";

    /// <summary>
    /// Time from the container's start to the first step, to readiness for inference, or to the start of <see cref="RunFor"/>.
    /// </summary>
    public const string Startup = Prefix + "startup";

    public const string RunFor = Prefix + "run-for";

    /// <summary>Added to <see cref="RunFor"/> once for each completion index below the pod's own.</summary>
    public const string RunForPerIndex = Prefix + "run-for-per-index";

    /// <summary>The exit code without SIGTERM.</summary>
    public const string ExitCode = Prefix + "exit-code";

    /// <summary>Completion indexes whose pods end with exit code 1, such as <c>3,5-7</c>.</summary>
    public const string FailIndexes = Prefix + "fail-indexes";

    /// <summary>How many attempts of each of <see cref="FailIndexes"/> fail. Default: all.</summary>
    public const string FailAttempts = Prefix + "fail-attempts";

    /// <summary>How long the container runs after SIGTERM. If that exceeds the grace period, the exit code is 137.</summary>
    public const string TermTime = Prefix + "term-time";

    /// <summary>The exit code after SIGTERM. Default: 143.</summary>
    public const string TermExitCode = Prefix + "term-exit-code";

    /// <summary>The utilization of its devices, 0 to 1.</summary>
    public const string Busy = Prefix + "busy";

    public const string Steps = Prefix + "steps";

    public const string StepTime = Prefix + "step-time";

    /// <summary>From this step on, each step takes <see cref="SlowFactor"/> times as long.</summary>
    public const string SlowAfter = Prefix + "slow-after";

    public const string SlowFactor = Prefix + "slow-factor";

    public const string CheckpointEvery = Prefix + "checkpoint-every";

    public const string CheckpointTime = Prefix + "checkpoint-time";

    /// <summary>Whether a last checkpoint is written between SIGTERM and the end.</summary>
    public const string CheckpointOnTerm = Prefix + "checkpoint-on-term";

    /// <summary>
    /// How it reacts to checkpoint requests. <c>post</c> polls and acknowledges at the node's agent, <c>annotation</c> uses the Job's
    /// annotations, <c>ignore</c> polls the agent and does nothing. Writing takes <see cref="CheckpointTime"/>.
    /// </summary>
    public const string CheckpointOnRequest = Prefix + "checkpoint-on-request";

    /// <summary>How often it polls for a checkpoint request. Default: 5 s.</summary>
    public const string CheckpointPoll = Prefix + "checkpoint-poll";

    /// <summary>The step at which the trainer fails with <see cref="ExitCode"/>. Default: 1.</summary>
    public const string FailAtStep = Prefix + "fail-at-step";

    /// <summary>Random deviation of each step as a share of its time, from the simulator's seed and the pod's name.</summary>
    public const string Jitter = Prefix + "jitter";

    /// <summary>How progress is reported, a list of <c>metric</c>, <c>post</c>, <c>annotation</c>.</summary>
    public const string Report = Prefix + "report";

    public const string ReportEvery = Prefix + "report-every";

    /// <summary>The port of the metrics page: 8000 for inference, 9000 for training that reports by metric.</summary>
    public const string Port = Prefix + "port";

    public const string Model = Prefix + "model";

    public const string TokensPerSecond = Prefix + "tokens-per-second";

    public const string PromptTokensPerSecond = Prefix + "prompt-tokens-per-second";

    /// <summary>
    /// The bytes of each GPU that the KV cache reserves, which vLLM exposes if it was started with <c>--kv-cache-memory-bytes</c>.
    /// </summary>
    public const string CacheBytes = Prefix + "kv-cache-memory-bytes";

    public const string Waiting = Prefix + "waiting";

    /// <summary>Time from a request's arrival to its first token. Default: 200 ms.</summary>
    public const string FirstToken = Prefix + "first-token";
}
