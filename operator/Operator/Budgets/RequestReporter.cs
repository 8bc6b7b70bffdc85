using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Text;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Conditions;
using Bursar.Kubernetes.Events;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Billing;
using Bursar.Operator.Cluster;
using Bursar.Operator.Safety;

namespace Bursar.Operator.Budgets;

/// <summary>Writes the statuses of requests, and publishes an Event when the reason of one changes.</summary>
internal sealed class RequestReporter(
    KubeClient client,
    ClusterStores stores,
    LedgerStore store,
    EventRecorder recorder,
    WriteRateLimiter rateLimiter
)
{
    /// <summary>Shortest interval between writes that only update the used part.</summary>
    private static readonly TimeSpan UsedInterval = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan ConflictRetry = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<string, DateTimeOffset> _written = new(StringComparer.Ordinal);

    /// <summary>
    /// Reports the requests of a budget. New grants are stored first, so that a status never shows one that a crash loses. Returns the time
    /// until the next write is due; null if there is nothing left to write.
    /// </summary>
    /// <exception cref="ApiException">The ledger or a status could not be written.</exception>
    public async Task<TimeSpan?> ReportAsync(BudgetObject budget, GrantDecision decision, CancellationToken cancellationToken)
    {
        if (decision.Announcements.Count > 0)
            await store.FlushBudgetAsync(budget.Metadata.Uid, cancellationToken);
        TimeSpan? next = null;
        foreach (var verdict in decision.Verdicts)
            if (
                stores.Requests.Store.GetByUid(verdict.Uid) is { } request
                && await WriteAsync(request, verdict, cancellationToken) is { } wait
                && !(next < wait)
            )
                next = wait;
        return next;
    }

    /// <summary>Writes the status of a request if it is due. Returns the time until it is due; null if there is nothing to write.</summary>
    /// <exception cref="ApiException">The status could not be written.</exception>
    public async Task<TimeSpan?> WriteAsync(V1Alpha1GpuBudgetRequest request, RequestVerdict verdict, CancellationToken cancellationToken)
    {
        var now = client.TimeProvider.GetUtcNow();
        var (before, status) = (request.Status ?? new(), StatusOf(request, verdict, now));
        if (IsSame(before, status))
        {
            if (before.Used == status.Used)
                return null;
            if (_written.TryGetValue(request.Metadata.Uid, out var at) && now - at < UsedInterval)
                return UsedInterval - (now - at);
        }
        if (!rateLimiter.TryTake(request.Metadata.Uid, out var wait))
            return wait;
        var patch = new JsonObject
        {
            // The list of conditions is replaced as a whole, so an answer in the meantime is a conflict.
            ["metadata"] = new JsonObject { ["uid"] = request.Metadata.Uid, ["resourceVersion"] = request.Metadata.ResourceVersion },
            ["status"] = JsonSerializer.SerializeToNode(new V1Alpha1GpuBudgetRequest { Status = status }, ApiJson.GpuBudgetRequest)![
                "status"
            ]!.DeepClone(),
        };
        try
        {
            await client.PatchAsync<V1Alpha1GpuBudgetRequest>(
                request.Metadata.Name,
                request.Metadata.Namespace,
                KubePatch.Merge(patch) with
                {
                    Subresource = "status",
                },
                cancellationToken
            );
        }
        catch (ApiException error) when (error.IsNotFound)
        {
            return null;
        }
        catch (ApiException error) when (error.IsConflict)
        {
            // A user answered it in the meantime. Retry with the current object.
            return ConflictRetry;
        }
        _written[request.Metadata.Uid] = now;
        if (verdict.Reason != Reasons.WaitingForApproval && ReasonOf(before) != verdict.Reason)
            Publish(request, verdict);
        return null;
    }

    public void Forget(string requestUid) => _written.TryRemove(requestUid, out _);

    private static string? ReasonOf(GpuBudgetRequestStatus status) =>
        Conditions.Find(status.Conditions ?? [], ConditionTypes.Granted)?.Reason;

    private static bool IsSame(GpuBudgetRequestStatus one, GpuBudgetRequestStatus other) =>
        one.State == other.State
        && one.ApprovedBy == other.ApprovedBy
        && one.Window == other.Window
        && one.ExpiresAt == other.ExpiresAt
        && one.Granted == other.Granted
        && (one.Conditions ?? []).SequenceEqual(other.Conditions ?? []);

    /// <summary>Returns the new status. The figures of an earlier grant stay if there is none now.</summary>
    private static GpuBudgetRequestStatus StatusOf(V1Alpha1GpuBudgetRequest request, RequestVerdict verdict, DateTimeOffset now)
    {
        var before = request.Status ?? new();
        var conditions = before.Conditions ?? [];
        var byBursar = verdict is { State: RequestState.Approved, Grant.Automatic: true };
        if (byBursar)
            conditions = Set(ConditionTypes.Approved, "True", Reasons.AutoApproved);
        conditions = Set(ConditionTypes.Granted, verdict.State == RequestState.Approved ? "True" : "False", verdict.Reason);
        return new()
        {
            State = verdict.State.ToString(),
            ApprovedBy = byBursar ? GrantRecord.ByBursar : before.ApprovedBy,
            Window = verdict.Grant?.Window ?? before.Window,
            Granted = verdict.Grant?.InForce.ToString() ?? before.Granted,
            Used = verdict.Grant?.Used.ToString() ?? before.Used,
            ExpiresAt = verdict.Grant is { } grant ? Rfc3339.Format(grant.ExpiresAt) : before.ExpiresAt,
            Conditions = conditions,
        };

        IReadOnlyList<V1Condition> Set(string type, string status, string reason) =>
            Conditions.Set(
                conditions,
                new()
                {
                    Type = type,
                    Status = status,
                    Reason = reason,
                    Message = verdict.Message,
                    ObservedGeneration = request.Metadata.Generation,
                },
                now
            );
    }

    private void Publish(V1Alpha1GpuBudgetRequest request, RequestVerdict verdict) =>
        recorder.Publish(
            new()
            {
                Regarding = V1ObjectReference.To(request),
                Type =
                    verdict.State == RequestState.Failed || verdict.Reason is Reasons.BudgetNotFound or Reasons.TooManyGrants
                        ? KubeEvent.Warning
                        : KubeEvent.Normal,
                Reason = verdict.Reason,
                Action = "Grant",
                Note = verdict.Message,
                Key = verdict.Reason,
            }
        );
}
