using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Core.Text;
using Bursar.Operator.Cluster;
using Bursar.Operator.Suspension;

namespace Bursar.Operator.Budgets;

/// <summary>The billed pods of a suspended workload that still run.</summary>
internal enum RunningPods
{
    /// <summary>There are none, or they still have time to end.</summary>
    None,

    /// <summary>All of them are being deleted and should have ended by now.</summary>
    Overdue,

    /// <summary>At least one is not being deleted.</summary>
    Undeleted,
}

/// <summary>The state of a workload's suspension as seen by one budget: who suspended it, and whether it runs nevertheless.</summary>
internal sealed record SuspensionState
{
    private readonly SuspensionRecord? _record;

    private SuspensionState(SuspensionRecord? record) => _record = record;

    public ManagerState? Manager { get; private init; }

    /// <summary>This budget's record of the suspension, otherwise another budget's; null if there is none.</summary>
    public SuspensionRecord? AnyRecord { get; private init; }

    /// <summary>Gated on admission and not yet evaluated. The budget treats it like any new workload.</summary>
    public bool IsNew { get; private init; }

    /// <summary>
    /// Whether it is stopped by the field that Bursar wrote, or else by the field that Bursar would write. A workload that its manager has
    /// queued is not suspended in this sense.
    /// </summary>
    public bool IsStopped { get; private init; }

    /// <summary>Whether its field stops it while some of its pods still run and are not being deleted, or are overdue.</summary>
    public bool RunsOn { get; private init; }

    /// <summary>
    /// Whether its pods have run for longer than a suspension may take (<see cref="SuspensionCheck"/>), so that it counts as running.
    /// </summary>
    public bool IsIgnored { get; private init; }

    /// <summary>Whether it is stopped and its pods follow. On resume it has the replicas that it had before.</summary>
    public bool Rests => IsStopped && !IsIgnored;

    /// <summary>The other budgets that suspend it, as text.</summary>
    public string? OtherBudgets { get; private init; }

    public WorkloadState State { get; private init; }

    public string? NotSuspendable { get; private init; }

    /// <param name="work">The workload as it is in the cache.</param>
    /// <param name="facts">The suspensions of all budgets, and the pods that still run, which are read only if the workload is stopped.</param>
    /// <param name="runs">Whether pods of it hold GPUs.</param>
    /// <param name="stores">The caches with the managers' objects.</param>
    public static SuspensionState From(WorkloadObject work, BudgetFacts facts, bool runs, ClusterStores stores)
    {
        var uid = work.Metadata.Uid;
        var record = facts.Suspensions.GetValueOrDefault(uid);
        var others = facts.SuspendedByOtherBudgets[uid];
        var manager = ManagerAdapters.GetState(work, stores);
        var anyRecord = record ?? others.FirstOrDefault();
        var isNew = anyRecord is null && AdmissionGate.IsGated(work);
        var isStopped = anyRecord is not null
            ? ManagerAdapters.IsSuspended(anyRecord, work, stores)
            : !isNew && (manager?.Field?.IsStopped ?? (work.IsStopped && manager?.WaitsIn is null));
        var running = isStopped && runs ? facts.Running.Value.GetValueOrDefault(uid) : RunningPods.None;
        var stillRuns = running != RunningPods.None;
        var since = stillRuns ? SuspensionCheck.NotFollowedSince(facts.Memory, uid, work.TerminationGrace, facts.Now) : null;
        var isIgnored = since is not null;
        var suspendedBy = isStopped ? BudgetNames.Join(others.Select(BudgetNames.Display)) : null;
        return new(record)
        {
            Manager = manager,
            AnyRecord = anyRecord,
            IsNew = isNew,
            IsStopped = isStopped,
            RunsOn = stillRuns,
            IsIgnored = isIgnored,
            OtherBudgets = suspendedBy,
            State =
                !isStopped || isIgnored
                    ? runs
                        ? WorkloadState.Running
                        : WorkloadState.Pending
                    : record is not null
                        ? WorkloadState.SuspendedByBudget
                        : suspendedBy is not null
                            ? WorkloadState.Pending
                            : WorkloadState.SuspendedByOther,
            NotSuspendable = since is { } at
                ? WhyIgnored(work, manager, anyRecord, running, at)
                : SuspensionEligibility.WhyNot(work, manager, stores),
        };
    }

    /// <summary>
    /// Returns this budget's suspension; null if it has none. A workload that is seen stopped is confirmed, whether or not the response to
    /// the write arrived.
    /// </summary>
    public SuspendedSnapshot? SuspensionOf() =>
        _record is null ? null
        : IsStopped ? _record.Cause with { Confirmed = !IsIgnored }
        : _record.Cause;

    private static string WhyIgnored(
        WorkloadObject work,
        ManagerState? manager,
        SuspensionRecord? anyRecord,
        RunningPods running,
        DateTimeOffset since
    )
    {
        var at = Rfc3339.Format(since);
        if (running == RunningPods.Overdue)
            return $"its pods should have ended by {at} and still hold their GPUs; check their nodes, or delete them by force";
        if (anyRecord?.Field.Object is { } target && target.Uid != work.Metadata.Uid && manager is null)
            return $"its pods have run on since {at} and the {target.Kind} {target.Name} that stopped it has no effect";
        return manager?.Field is not null
            ? $"{manager.Manager} and has not stopped it since {at}; check that its controller is running"
            : $"its pods have run on since {at}; check that the controller of {work.Kind.Name}s is running";
    }
}
