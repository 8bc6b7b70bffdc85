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
/// The leader's side of the webhook: lets go what was made suspended and what no budget suspends, by one patch that gives back the field
/// and takes the mark away. Every budget that selects the work has to have judged it. Work that a budget suspends is
/// <see cref="BudgetActor"/>'s, as always. No Event tells of letting go: without the webhook nothing would have happened.
/// </summary>
internal sealed partial class GatedWorkloadActor(
    KubeClient client,
    ClusterStores stores,
    OperatorState state,
    WorkloadActor workloads,
    Expectations echoes,
    Func<V1Alpha1GpuBudget, BudgetDecision?> latest,
    ILogger<GatedWorkloadActor> logger
)
{
    /// <summary>How often what no budget speaks for is looked for.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    /// <summary>Marked work by UID.</summary>
    private readonly ConcurrentDictionary<string, Marked> _marked = new(StringComparer.Ordinal);

    /// <summary>Work as it is seen on the watch.</summary>
    public void See(WorkloadObject work)
    {
        var uid = work.Metadata.Uid;
        if (!AdmissionGate.IsOn(work) || !work.Kind.Suspends)
            _marked.TryRemove(uid, out _);
        else
            _marked.TryAdd(uid, new(work.Kind.Name, work.Namespace, work.Metadata.Name));
    }

    public void Forget(WorkloadObject work) => _marked.TryRemove(work.Metadata.Uid, out _);

    /// <summary>A budget was decided: what it does not suspend may go, as far as it is concerned.</summary>
    public async Task RemoveGateAsync(ReadBudget budget, BudgetDecision decision, CancellationToken cancellationToken)
    {
        if (_marked.IsEmpty)
            return;
        foreach (var verdict in decision.Workloads)
        {
            if (!_marked.TryGetValue(verdict.Key.Uid, out var marked) || Find(verdict.Key.Uid, marked) is not { } work)
                continue;
            if (Keeps(decision, verdict.Key.Uid) && Selecting(work).All(other => latest(other) is { } one && Keeps(one, verdict.Key.Uid)))
                await RemoveGateAsync(work, budget.Name, cancellationToken);
        }
    }

    /// <summary>Whether a budget has judged a workload and does not suspend it.</summary>
    private static bool Keeps(BudgetDecision decision, string uid) =>
        decision.Workloads.Any(verdict => verdict.Key.Uid == uid)
        && !decision.Actions.Any(action => action.Kind == ActionKind.Suspend && action.Workload.Uid == uid);

    public Task RunAsync(CancellationToken cancellationToken) =>
        PeriodicLoop.RunAsync(
            client.TimeProvider,
            "gated workloads",
            async token =>
            {
                foreach (var (uid, marked) in _marked)
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

    /// <summary>What no budget speaks for goes at the second look; what is suspended and still has the webhook's mark gets Bursar's.</summary>
    private async Task SweepAsync(string uid, Marked marked, CancellationToken cancellationToken)
    {
        if (state.Suspensions().FirstOrDefault(record => record.Uid == uid) is { } record)
        {
            if (stores.Of(marked.Kind)?.Get(marked.Namespace, marked.Name, uid) is { } suspended && AdmissionGate.IsGated(suspended))
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

    /// <summary>Work that waits for its judgement; null when it does not, or not any more.</summary>
    private WorkloadObject? Find(string uid, Marked marked) =>
        stores.Of(marked.Kind)?.Get(marked.Namespace, marked.Name, uid) is { } work
        && AdmissionGate.IsGated(work)
        && !state.Suspensions().Any(record => record.Uid == uid)
            ? work
            : null;

    /// <summary>The budgets that have a say: one that cannot be read enforces nothing.</summary>
    private IEnumerable<V1Alpha1GpuBudget> Selecting(WorkloadObject work)
    {
        var labels = work.Labels;
        foreach (var budget in stores.Budgets.Store.ByIndex(Indexes.Namespace, work.Namespace))
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
                echoes.Expect(LostSuspension.RecordOf(work, client.TimeProvider.GetUtcNow()), suspended: false);
        }
        catch (ApiException error) when (error.IsNotFound || error.IsInvalid || error.IsConflict)
        {
            // Gone, or changed in between: nothing was written, and the next look sees what it is now.
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

        /// <summary>Looks in a row that found no budget for it.</summary>
        public int Unclaimed { get; set; }
    }
}
