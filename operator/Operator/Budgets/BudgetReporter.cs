using System.Collections.Concurrent;
using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Kubernetes.Client;
using Bursar.Operator.Billing;
using Bursar.Operator.Safety;
using Bursar.Operator.Suspension;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Budgets;

/// <summary>Reports a budget's decision or the errors of its spec: by Events, and by the status, which is written if it has changed.</summary>
internal sealed partial class BudgetReporter(
    KubeClient client,
    LedgerStore store,
    BudgetEvents events,
    WriteRateLimiter pacer,
    ILogger<BudgetReporter> logger
)
{
    private static readonly TimeSpan ConflictRetry = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<string, (GpuBudgetStatus Status, DateTimeOffset At)> _written = new(StringComparer.Ordinal);

    /// <summary>Publishes the announcements of a decision, and why the latest spec is not the one that was decided by.</summary>
    public void Announce(V1Alpha1GpuBudget budget, BudgetDecision decision)
    {
        if (budget.Refusal is { } refusal)
            ReportRefusal(budget, refusal);
        foreach (var announcement in decision.Announcements)
            events.Announced(budget, announcement);
    }

    /// <summary>
    /// Reports a budget whose spec cannot be used. Returns after how long to try again if the status met a conflict; null if there is
    /// nothing more to write.
    /// </summary>
    public async Task<TimeSpan?> RefuseAsync(V1Alpha1GpuBudget budget, SpecRefusal refusal, CancellationToken cancellationToken) =>
        !ReportRefusal(budget, refusal)
        || await PatchStatusAsync(
            budget,
            BudgetStatus.Invalid(budget, BudgetStatus.Message(refusal), client.TimeProvider.GetUtcNow()),
            cancellationToken
        )
            ? null
            : ConflictRetry;

    /// <summary>Writes the status if it is due. Returns after how long a change is to be written; null if all is written.</summary>
    public async Task<TimeSpan?> WriteStatusAsync(V1Alpha1GpuBudget budget, BudgetDecision decision, CancellationToken cancellationToken)
    {
        var status = BudgetStatus.Of(budget, decision, store.Ledger, store.State);
        var now = client.TimeProvider.GetUtcNow();
        var known = _written.TryGetValue(budget.Metadata.Uid, out var written);
        if (BudgetStatus.DueIn(known ? written.Status : budget.Status, status, known ? now - written.At : TimeSpan.MaxValue) is not { } due)
            return null;
        if (due > TimeSpan.Zero)
            return due;
        if (!pacer.TryTake(budget.Metadata.Uid, out var wait))
            return wait;
        if (!await PatchStatusAsync(budget, status, cancellationToken))
            return ConflictRetry;
        status.Slim();
        _written[budget.Metadata.Uid] = (status, now);
        return null;
    }

    /// <summary>Forgets a budget that is deleted.</summary>
    public void Forget(string budgetUid) => _written.TryRemove(budgetUid, out _);

    /// <summary>False if the status tells of it already.</summary>
    private bool ReportRefusal(V1Alpha1GpuBudget budget, SpecRefusal refusal)
    {
        if (budget.Status is { State: Reasons.InvalidSpec } status && status.ObservedGeneration == budget.Metadata.Generation)
            return false;
        var message = BudgetStatus.Message(refusal);
        LogInvalid(budget.Metadata.Namespace ?? "", budget.Metadata.Name, message);
        events.Refused(budget, message);
        return true;
    }

    private async Task<bool> PatchStatusAsync(V1Alpha1GpuBudget budget, GpuBudgetStatus status, CancellationToken cancellationToken)
    {
        try
        {
            await client.PatchAsync<V1Alpha1GpuBudget>(
                budget.Metadata.Name,
                budget.Metadata.Namespace,
                KubePatch.Merge(BudgetStatus.Patch(budget, status)) with
                {
                    Subresource = "status",
                },
                cancellationToken
            );
            return true;
        }
        catch (ApiException error) when (error.IsNotFound)
        {
            // Deleted: nobody reads its status any more.
            return true;
        }
        catch (ApiException error) when (error.IsConflict)
        {
            // Made anew under the same name, or a write crossed it: what it says now must not be lost.
            return false;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Budget spec is invalid: Namespace={Namespace} Name={Name} Message={Message}")]
    private partial void LogInvalid(string @namespace, string name, string message);
}
