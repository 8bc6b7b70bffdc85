using System.Net;

namespace Bursar.Sandbox.Nodes;

/// <summary>
/// The lifecycle of a pod on a simulated node: pull, run, restart, end. It changes only in <see cref="Advance"/>, which also returns when
/// it changes next. Between changes, everything is a function of time. Callers must acquire its lock.
/// </summary>
internal sealed class SimulatedPod
{
    private static readonly TimeSpan LongestCrashWait = TimeSpan.FromMinutes(5);

    private readonly CheckpointStore _checkpoints;
    private readonly int _seed;
    private TimeSpan _workedBefore;

    public SimulatedPod(
        NodePod pod,
        IPAddress address,
        Workload workload,
        DateTimeOffset admitted,
        TimeSpan pull,
        CheckpointStore checkpoints,
        int seed
    )
    {
        Pod = pod;
        Address = address;
        Workload = workload;
        Admitted = admitted;
        StartAt = admitted + pull;
        _checkpoints = checkpoints;
        _seed = seed;
    }

    public Lock Lock { get; } = new();

    public NodePod Pod { get; set; }

    public string Uid => Pod.Metadata.Uid;

    public string Key => $"{Pod.Metadata.Namespace}/{Pod.Metadata.Name}";

    public IPAddress Address { get; }

    public Workload Workload { get; }

    public IReadOnlyList<SimulatedGpu> Devices { get; set; } = [];

    /// <summary>The load that it serves with other pods; null if it serves at the constant rate of its annotations.</summary>
    public ServedLoad? Load { get; set; }

    public DateTimeOffset Admitted { get; }

    /// <summary>When the container starts or restarts.</summary>
    public DateTimeOffset StartAt { get; private set; }

    /// <summary>When the running container started; null if none runs.</summary>
    public DateTimeOffset? Started { get; private set; }

    /// <summary>The end of the last container; null if none has ended.</summary>
    public ContainerEnd? LastEnd { get; private set; }

    public int Restarts { get; private set; }

    public DateTimeOffset? TermAt { get; private set; }

    public TimeSpan Grace { get; private set; }

    /// <summary>The pod has ended and does not restart.</summary>
    public bool IsOver { get; private set; }

    public TrainingSchedule? Schedule { get; private set; }

    /// <summary>
    /// The last requested checkpoint: when it is written, its step, and whether it was acknowledged. Null without a request.
    /// </summary>
    public (string Id, DateTimeOffset Done, long Step, bool Acknowledged)? Saving { get; set; }

    /// <summary>Starts to write a checkpoint.</summary>
    public void Save(string id, DateTimeOffset now)
    {
        if (Workload is not TrainingWorkload training || Schedule is not { } schedule || Started is not { } started)
            return;
        var step = schedule.StepAt(now - started);
        Schedule = schedule with { Requested = [.. schedule.Requested, (now - started, training.CheckpointTime)] };
        Saving = (id, now + training.CheckpointTime, step, false);
    }

    /// <summary>The key of the workload's checkpoints, which belong to the Job and the rank within it.</summary>
    public string WorkloadKey
    {
        get
        {
            var owner = Pod.Metadata.ControllerReference()?.Uid ?? Key;
            return Pod.Metadata.Annotations.TryGetValue("batch.kubernetes.io/job-completion-index", out var index)
                ? $"{owner}/{index}"
                : owner;
        }
    }

    /// <summary>Sends SIGTERM with a grace period. A shorter grace period replaces a longer one.</summary>
    public void Terminate(DateTimeOffset at, TimeSpan grace)
    {
        if (TermAt is not null && at + grace >= TermAt + Grace)
            return;
        TermAt ??= at;
        Grace = at + grace - TermAt.Value;
    }

    /// <summary>Applies all changes due by <paramref name="now"/>. Returns when the next change is due; null if there is none.</summary>
    public DateTimeOffset? Advance(DateTimeOffset now)
    {
        while (!IsOver)
        {
            if (Started is not { } started)
            {
                if (TermAt is { } term && term <= StartAt)
                {
                    if (term > now)
                        return term;
                    // The container did not start (again); the kubelet reports it as killed.
                    LastEnd ??= new ContainerEnd(null, term, 137, "ContainerStatusUnknown");
                    IsOver = true;
                    break;
                }

                if (StartAt > now)
                    return StartAt;
                Start();
                continue;
            }

            var (end, exitCode) = End(started);
            if (end > now)
                return Ready(started) is var ready && ready > now && ready < end ? ready
                    : end == DateTimeOffset.MaxValue ? null
                    : end;
            EndContainer(started, end, exitCode);
        }

        return null;
    }

    public bool IsReady(DateTimeOffset now) => Started is { } started && TermAt is null && Ready(started) <= now;

    /// <summary>Returns when a container started at <paramref name="started"/> becomes ready.</summary>
    public DateTimeOffset Ready(DateTimeOffset started) => Workload.ReadyAfterStartup ? started + Workload.Startup : started;

    /// <summary>Returns the time since the end of the running container's startup.</summary>
    public TimeSpan Served(DateTimeOffset now) =>
        Started is { } started && now > started + Workload.Startup ? now - started - Workload.Startup : TimeSpan.Zero;

    public double BusyShare(DateTimeOffset now) =>
        Served(now) <= TimeSpan.Zero ? 0
        : Load is { } load ? load.Get(Uid, now)?.Busy ?? 0
        : Workload.Busy;

    /// <summary>Returns the busy time of its devices over all its containers.</summary>
    public TimeSpan Worked(DateTimeOffset now) =>
        _workedBefore + (now == DateTimeOffset.MaxValue ? TimeSpan.Zero : WorkedOfThisContainer(now));

    private TimeSpan WorkedOfThisContainer(DateTimeOffset now) =>
        Load is { } load ? load.Get(Uid, now)?.Worked ?? TimeSpan.Zero : Served(now) * Workload.Busy;

    /// <summary>Returns completed and total steps and the time of the last checkpoint; null if it does not train.</summary>
    public TrainingProgress? Progress(DateTimeOffset now)
    {
        if (Workload is not TrainingWorkload training || Schedule is not { } schedule || Started is not { } started)
            return null;
        var elapsed = now - started;
        return new TrainingProgress(
            schedule.StepAt(elapsed),
            training.Steps,
            schedule.CheckpointAt(elapsed) is { } checkpoint ? started + checkpoint.At : null
        );
    }

    private void Start()
    {
        Started = StartAt;
        if (Workload is TrainingWorkload training)
            Schedule = training.Schedule(_checkpoints.Step(WorkloadKey), new DeterministicNoise(_seed, Key));
    }

    private (DateTimeOffset At, int ExitCode) End(DateTimeOffset started)
    {
        var end = NaturalLength() is { } length ? started + length : DateTimeOffset.MaxValue;
        if (TermAt is not { } term)
            return (end, Workload.ExitCode);
        var killed = Workload.TermTime > Grace;
        var stopped = term + (killed ? Grace : Workload.TermTime);
        return stopped < end ? (stopped, killed ? 137 : Workload.TermExitCode) : (end, Workload.ExitCode);
    }

    private TimeSpan? NaturalLength() =>
        Workload switch
        {
            RunWorkload run => run.RunFor is { } length ? run.Startup + length : null,
            TrainingWorkload { FailAtStep: { } fail } when fail > Schedule!.ResumeStep && fail <= Schedule.TotalSteps =>
                Schedule.CompletedAt(fail),
            TrainingWorkload => Schedule!.Length,
            _ => null,
        };

    private void EndContainer(DateTimeOffset started, DateTimeOffset at, int exitCode)
    {
        _workedBefore += WorkedOfThisContainer(at);
        Load?.Leave(Uid, at);
        if (Workload is TrainingWorkload training && Schedule is { } schedule)
        {
            if (schedule.CheckpointAt(at - started) is { } checkpoint)
                _checkpoints.Save(WorkloadKey, checkpoint.Step);
            if (training.CheckpointOnTerm && TermAt is { } term && exitCode != 137)
                _checkpoints.Save(WorkloadKey, schedule.StepAt(term - started));
        }

        LastEnd = new ContainerEnd(started, at, exitCode, exitCode == 0 ? "Completed" : "Error");
        Started = null;
        var again =
            TermAt is null
            && Pod.Spec.RestartPolicy switch
            {
                "Never" => false,
                "OnFailure" => exitCode != 0,
                _ => true,
            };
        if (!again)
        {
            IsOver = true;
            return;
        }

        // The first restart is immediate, then after 10 s, 20 s, 40 s, … up to five minutes.
        var wait = Restarts == 0 ? TimeSpan.Zero : TimeSpan.FromSeconds(10 * Math.Pow(2, Math.Min(Restarts - 1, 8)));
        StartAt = at + (wait < LongestCrashWait ? wait : LongestCrashWait);
        Restarts++;
    }
}

/// <param name="Started">When the container started; null if it never did.</param>
/// <param name="Finished">When it ended.</param>
/// <param name="ExitCode">Its exit code.</param>
/// <param name="Reason">The kubelet's reason.</param>
internal sealed record ContainerEnd(DateTimeOffset? Started, DateTimeOffset Finished, int ExitCode, string Reason);

/// <summary>The progress of a trainer.</summary>
internal sealed record TrainingProgress(long Step, long Total, DateTimeOffset? CheckpointAt);
