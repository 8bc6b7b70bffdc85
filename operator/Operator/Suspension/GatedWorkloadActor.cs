using System.Collections.Concurrent;
using Bursar.Api;
using Bursar.Concurrency;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Reconcile;
using Bursar.Operator.Cluster;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Suspension;

/// <summary>
/// The leader's part of the webhook: resumes workloads that were gated on admission once every budget that selects them has evaluated them
/// and none suspends them. One patch restores the field and removes the gate. <see cref="BudgetActor"/> handles workloads that a budget
/// suspends. There is no Event, because nothing would have happened without the webhook.
/// </summary>
internal sealed partial class GatedWorkloadActor(
    KubeClient client,
    ClusterStores stores,
    OperatorState state,
    WorkloadActor workloads,
    Expectations expectations,
    Func<BudgetObject, BudgetDecision?> latest,
    ILogger<GatedWorkloadActor> logger
)
{
    /// <summary>Interval of the search for gated workloads that no budget selects.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<string, Marked> _gated = new(StringComparer.Ordinal);

    /// <summary>Tracks a workload that was added or changed.</summary>
    public void Handle(WorkloadObject work)
    {
        var uid = work.Metadata.Uid;
        if (!AdmissionGate.IsOn(work) || !work.Kind.Suspends)
            _gated.TryRemove(uid, out _);
        else
            _gated.TryAdd(uid, new(work.Kind.Name, work.Namespace, work.Metadata.Name));
    }

    public void Forget(WorkloadObject work) => _gated.TryRemove(work.Metadata.Uid, out _);

    /// <summary>Resumes the gated workloads that this decision and the latest decisions of the other budgets keep running.</summary>
    /// <param name="isStored">Whether what the latest decision of a budget relies on is stored.</param>
    public async Task RemoveGateAsync(
        ReadBudget budget,
        BudgetDecision decision,
        Func<BudgetObject, bool> isStored,
        CancellationToken cancellationToken
    )
    {
        if (_gated.IsEmpty)
            return;
        foreach (var verdict in decision.Workloads)
        {
            if (!_gated.TryGetValue(verdict.Key.Uid, out var marked) || Find(verdict.Key.Uid, marked) is not { } work)
                continue;
            if (
                Keeps(decision, verdict.Key.Uid)
                && Selecting(work)
                    .All(other => isStored(other) && latest(other) is { } one && Keeps(one, verdict.Key.Uid, IsPartial(other)))
            )
                await RemoveGateAsync(work, budget.Name, cancellationToken);
        }
    }

    /// <summary>Whether a budget has evaluated a workload and does not suspend it.</summary>
    /// <param name="listsSome">Whether it evaluates only some of the workloads that it selects.</param>
    private static bool Keeps(BudgetDecision decision, string uid, bool listsSome = false) =>
        (listsSome || decision.Workloads.Any(verdict => verdict.Key.Uid == uid))
        && !decision.Actions.Any(action => action.Kind == ActionKind.Suspend && action.Workload.Uid == uid);

    public Task RunAsync(CancellationToken cancellationToken) =>
        PeriodicLoop.RunAsync(
            client.TimeProvider,
            "gated workloads",
            async token =>
            {
                foreach (var (uid, marked) in _gated)
                {
                    try
                    {
                        await SweepAsync(uid, marked, token);
                    }
                    catch (Exception error) when (error is ApiException or HttpRequestException or TimeoutException)
                    {
                        if (!client.IsUnreachable)
                            LogFailed(marked.Namespace, marked.Name, marked.Kind, error.Message);
                    }
                }
                return Interval;
            },
            cancellationToken,
            Interval
        );

    /// <summary>
    /// Resumes a workload that no budget selects, at the second pass in a row. Replaces the gate of a suspended workload by Bursar's
    /// annotations.
    /// </summary>
    private async Task SweepAsync(string uid, Marked marked, CancellationToken cancellationToken)
    {
        if (state.Suspensions().FirstOrDefault(record => record.Uid == uid) is { } record)
        {
            if (stores.CacheOf(marked.Kind)?.Get(marked.Namespace, marked.Name, uid) is { } suspended && AdmissionGate.IsGated(suspended))
                await workloads.SuspendAsync(record, cancellationToken);
            return;
        }
        if (Find(uid, marked) is not { } work)
            return;
        if (Selecting(work).Any())
            marked.Unclaimed = 0;
        else if (++marked.Unclaimed > 1)
            await RemoveGateAsync(work, "", cancellationToken);
    }

    /// <summary>Returns a workload that is still gated and not suspended; otherwise null.</summary>
    private WorkloadObject? Find(string uid, Marked marked) =>
        stores.CacheOf(marked.Kind)?.Get(marked.Namespace, marked.Name, uid) is { } work
        && AdmissionGate.IsGated(work)
        && !state.Suspensions().Any(record => record.Uid == uid)
            ? work
            : null;

    /// <summary>Whether it is a limit on some GPUs, which evaluates only the workloads that use one.</summary>
    private static bool IsPartial(BudgetObject budget) =>
        GpuBudgetReader.Read(budget, out var terms, out _, out _).Count == 0 && terms!.Counted.IsPartial;

    /// <summary>Returns the budgets with a valid spec that select the workload, and the limits inside them.</summary>
    private IEnumerable<BudgetObject> Selecting(WorkloadObject work)
    {
        var labels = work.Labels;
        foreach (var budget in stores.Coverage.WithLimitsIn(work.Namespace))
            if (GpuBudgetReader.Read(budget, out _, out var selector, out _).Count == 0 && selector.Matches(labels))
                yield return budget;
    }

    private async Task RemoveGateAsync(WorkloadObject work, string budget, CancellationToken cancellationToken)
    {
        var kind = work.Kind;
        var name = work.Metadata.Name;
        try
        {
            var isQueued = ManagerAdapters.IsQueued(work, stores);
            if (await workloads.ResumeGatedAsync(work, isQueued, cancellationToken) != WriteResult.Done)
                return;
            LogGateRemoved(work.Namespace, name, kind.Name, budget);
            if (!isQueued)
                expectations.Expect(LostSuspension.RecordOf(work, client.TimeProvider.GetUtcNow()), suspended: false);
        }
        catch (ApiException error) when (error.IsNotFound || error.IsInvalid || error.IsConflict)
        {
            // The object is gone or was changed. Nothing was written, and the next pass sees the new state.
            LogOvertaken(work.Namespace, name, kind.Name);
        }
    }

    [LoggerMessage(
        Level = LogLevel.Information,
        Message = "Resumed workload gated on admission: Namespace={Namespace} Name={Name} Kind={Kind} Budget={Budget}"
    )]
    private partial void LogGateRemoved(string @namespace, string name, string kind, string budget);

    [LoggerMessage(
        Level = LogLevel.Information,
        Message = "Workload changed since it was read, nothing was written: Namespace={Namespace} Name={Name} Kind={Kind}"
    )]
    private partial void LogOvertaken(string @namespace, string name, string kind);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "Resuming workload gated on admission failed, retrying: Namespace={Namespace} Name={Name} Kind={Kind} Error={Error}"
    )]
    private partial void LogFailed(string @namespace, string name, string kind, string error);

    private sealed class Marked(string kind, string ns, string name)
    {
        public string Kind { get; } = kind;

        public string Namespace { get; } = ns;

        public string Name { get; } = name;

        /// <summary>Passes in a row that found no budget for it.</summary>
        public int Unclaimed { get; set; }
    }
}
