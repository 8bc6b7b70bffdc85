using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Reconcile;
using Bursar.Operator.Cluster;
using Bursar.Operator.Safety;
using Bursar.Operator.Suspension;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Budgets;

/// <summary>
/// Resumes the workloads of deleted budgets, one at a time, so that a deletion does not start them all at once. It uses no finalizer, so it
/// never delays the deletion itself.
/// </summary>
internal sealed partial class OrphanReleaser(
    ClusterStores stores,
    OperatorState state,
    BudgetActor actor,
    LostSuspension lost,
    ObserveOnlyMode control,
    KubeClient client,
    ILogger<OrphanReleaser> logger
)
{
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    /// <summary>
    /// A new budget, under the same name or another, takes over the workloads that do not fit it either. The grace period gives it time to
    /// evaluate them, so replacing a budget suspends and resumes nothing.
    /// </summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(10);

    private readonly Dictionary<string, DateTimeOffset> _missing = new(StringComparer.Ordinal);

    public Task RunAsync(CancellationToken cancellationToken) =>
        RetryingLoop.RunAsync(
            client,
            "orphans",
            Interval,
            async token =>
            {
                if (control.ObserveOnly)
                    return;
                await ReleaseOneAsync(token);
                await lost.FindAsync(token);
            },
            LogFailed,
            cancellationToken
        );

    private async Task ReleaseOneAsync(CancellationToken cancellationToken)
    {
        var now = client.TimeProvider.GetUtcNow();
        ApiException? failed = null;
        foreach (var (ns, name, uid) in state.RememberedBudgets())
        {
            if (stores.Coverage.Find(uid) is not null)
            {
                _missing.Remove(uid);
                continue;
            }
            if (!_missing.TryGetValue(uid, out var since))
                _missing[uid] = since = now;
            if (now - since < Grace)
                continue;
            var records = state.SuspensionsBy(uid);
            foreach (var record in records)
            {
                try
                {
                    if (await actor.ReleaseAsync(record, $"{BudgetNames.Display(record)} was deleted", cancellationToken))
                        return;
                }
                catch (ApiException error)
                {
                    // Continue with the other objects.
                    failed ??= error;
                }
            }
            if (state.SuspensionsBy(uid).Count > 0)
                continue;
            if (state.BudgetMemory(uid).Checkpoints.Count > 0)
                await actor.ClearRequestsAsync(ns, name, uid, cancellationToken);
            state.ForgetBudget(uid);
            _missing.Remove(uid);
        }
        if (failed is not null)
            throw failed;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Could not resume workloads of a deleted budget, retrying: {Reason}")]
    private partial void LogFailed(string reason);
}
