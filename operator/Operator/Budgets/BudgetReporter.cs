using System.Collections.Concurrent;
using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Kubernetes.Client;
using Bursar.Operator.Billing;
using Bursar.Operator.Safety;
using Bursar.Operator.Suspension;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Budgets;

/// <summary>Reports a budget's decision, or the errors of its spec, in Events and in the status.</summary>
internal sealed partial class BudgetReporter(
    KubeClient client,
    LedgerStore store,
    BudgetEvents events,
    WriteRateLimiter rateLimiter,
    AdviceTracker advice,
    ILogger<BudgetReporter> logger
)
{
    private static readonly TimeSpan ConflictRetry = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<string, (GpuBudgetStatus Status, DateTimeOffset At)> _written = new(StringComparer.Ordinal);

    /// <summary>Publishes the announcements of a decision, and the errors of a spec that was refused.</summary>
    public void Announce(BudgetObject budget, BudgetDecision decision)
    {
        if (budget.Refusal is { } refusal)
            ReportRefusal(budget, refusal);
        foreach (var announcement in decision.Announcements)
            events.Announced(budget, announcement);
    }

    /// <summary>
    /// Reports a budget whose spec is invalid. Returns the time until the next try if the status write met a conflict, otherwise null.
    /// </summary>
    public async Task<TimeSpan?> RefuseAsync(BudgetObject budget, SpecRefusal refusal, CancellationToken cancellationToken) =>
        !ReportRefusal(budget, refusal)
        || await PatchStatusAsync(
            budget,
            BudgetStatus.Invalid(budget, BudgetStatus.Message(refusal), client.TimeProvider.GetUtcNow()),
            cancellationToken
        )
            ? null
            : ConflictRetry;

    /// <summary>Writes the status if it is due. Returns the time until it is due, or null if there is nothing left to write.</summary>
    public async Task<TimeSpan?> WriteStatusAsync(
        ReadBudget read,
        BudgetDecision decision,
        IReadOnlyList<(BudgetObject Limit, BudgetDecision Decision)> limits,
        int valuesWithoutLimit,
        CancellationToken cancellationToken
    )
    {
        var budget = read.Object;
        var status = BudgetStatus.From(read, decision, limits, store.Ledger, store.State, advice.For);
        if (valuesWithoutLimit > 0)
        {
            status.PerLabelWithoutLimit = valuesWithoutLimit;
            if (_written.TryGetValue(budget.Metadata.Uid, out var last) && last.Status.PerLabelWithoutLimit is null)
                events.Announced(
                    budget,
                    new(
                        Reasons.TooManyLabelValues,
                        $"{decision.WindowKey}/{Reasons.TooManyLabelValues}",
                        Messages.TooManyLabelValues(
                            GpuBudgetReader.LimitedLabelOf(budget) ?? "",
                            valuesWithoutLimit,
                            LabelLimits.MostValues
                        ),
                        Warning: true
                    )
                );
        }
        var now = client.TimeProvider.GetUtcNow();
        var known = _written.TryGetValue(budget.Metadata.Uid, out var written);
        if (BudgetStatus.DueIn(known ? written.Status : budget.Status, status, known ? now - written.At : TimeSpan.MaxValue) is not { } due)
            return null;
        if (due > TimeSpan.Zero)
            return due;
        if (!rateLimiter.TryTake(budget.Metadata.Uid, out var wait))
            return wait;
        if (!await PatchStatusAsync(budget, status, cancellationToken))
            return ConflictRetry;
        status.Slim();
        _written[budget.Metadata.Uid] = (status, now);
        return null;
    }

    public void Forget(string budgetUid) => _written.TryRemove(budgetUid, out _);

    /// <summary>Reports an invalid spec. Returns false if the status shows it already.</summary>
    private bool ReportRefusal(BudgetObject budget, SpecRefusal refusal)
    {
        if (budget.Status is { State: Reasons.InvalidSpec } status && status.ObservedGeneration == budget.Metadata.Generation)
            return false;
        var message = BudgetStatus.Message(refusal);
        LogInvalid(budget.Metadata.Namespace ?? "", budget.Metadata.Name, message);
        events.Refused(budget, message);
        return true;
    }

    private async Task<bool> PatchStatusAsync(BudgetObject budget, GpuBudgetStatus status, CancellationToken cancellationToken)
    {
        try
        {
            var (name, patch) = (budget.Metadata.Name, KubePatch.Merge(BudgetStatus.Patch(budget, status)) with { Subresource = "status" });
            if (budget is V1Alpha1ClusterGpuBudget)
                await client.PatchAsync<V1Alpha1ClusterGpuBudget>(name, null, patch, cancellationToken);
            else
                await client.PatchAsync<V1Alpha1GpuBudget>(name, budget.Metadata.Namespace, patch, cancellationToken);
            return true;
        }
        catch (ApiException error) when (error.IsNotFound)
        {
            // The budget was deleted.
            return true;
        }
        catch (ApiException error) when (error.IsConflict)
        {
            // The budget was recreated under the same name, or another write came first. Retry with the current object.
            return false;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Budget spec is invalid: Namespace={Namespace} Name={Name} Message={Message}")]
    private partial void LogInvalid(string @namespace, string name, string message);
}
