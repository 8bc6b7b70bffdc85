using System.Globalization;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Prices;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Conditions;
using Bursar.Kubernetes.Events;
using Bursar.Kubernetes.KubeOps;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Billing;

/// <summary>Updates the prices in force, and reports on each price book whether it is valid and which of its prices are trusted.</summary>
internal sealed class PriceBookController(
    KubeClient client,
    ClusterStores stores,
    GpuLedger ledger,
    PriceList prices,
    EventRecorder recorder,
    TimeProvider time
) : IEntityController<V1Alpha1GpuPriceBook>
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromDays(1);

    /// <summary>Raised when prices may have changed and budgets must be evaluated.</summary>
    public event Action? Changed;

    /// <summary>Whether a change of the object may change prices: a new generation, or the acceptance of one.</summary>
    public static bool Concerns(V1Alpha1GpuPriceBook before, V1Alpha1GpuPriceBook now) =>
        before.Metadata.Generation != now.Metadata.Generation || Accepted(before) != Accepted(now);

    public async Task<ReconciliationResult<V1Alpha1GpuPriceBook>> ReconcileAsync(
        V1Alpha1GpuPriceBook entity,
        CancellationToken cancellationToken
    )
    {
        prices.Refresh();
        Changed?.Invoke();
        var errors = GpuPriceBookReader.Read(entity, out _);
        var inForce = prices.BookName == entity.Metadata.Name;
        var now = time.GetUtcNow();
        var conditions = Conditions.Set(
            entity.Status?.Conditions ?? [],
            new()
            {
                Type = ConditionTypes.Ready,
                Status = errors.Count == 0 ? "True" : "False",
                Reason =
                    errors.Count > 0 ? Reasons.InvalidSpec
                    : inForce ? "Default"
                    : "NotDefault",
                Message =
                    errors.Count > 0 ? string.Join("; ", errors.Take(5).Select(e => $"{e.Path}: {e.Message}"))
                    : inForce ? "This book prices the cluster."
                    : "Another book prices the cluster.",
                ObservedGeneration = entity.Metadata.Generation,
            },
            now
        );
        if (errors.Count > 0)
            PublishInvalid(entity, Conditions.Find(conditions, ConditionTypes.Ready)!.Message ?? "");
        conditions = inForce ? Conditions.Set(conditions, Trust(entity), now) : Conditions.Remove(conditions, Reasons.PricesTrusted);
        if (
            Conditions.Find(conditions, Reasons.PricesTrusted) is { } trust
            && Conditions.Find(entity.Status?.Conditions ?? [], Reasons.PricesTrusted) is var previous
            && (
                previous is null
                    ? trust.Status == "False"
                    : previous.Status != trust.Status || previous.Reason != trust.Reason || previous.Message != trust.Message
            )
        )
            Publish(entity, trust);
        if (inForce && prices.UnknownResources is { Count: > 0 } unknown)
            Publish(entity, unknown);
        var result =
            prices.NextDate is { } date && inForce
                ? ReconciliationResult<V1Alpha1GpuPriceBook>.Success(
                    entity,
                    date - now < LongestWait ? date - now + TimeSpan.FromMilliseconds(1) : LongestWait
                )
                : ReconciliationResult<V1Alpha1GpuPriceBook>.Success(entity);
        if (
            entity.Status is { } written
            && written.ObservedGeneration == entity.Metadata.Generation
            && (written.Conditions ?? []).SequenceEqual(conditions)
        )
            return result;
        var status = System.Text.Json.JsonSerializer.SerializeToNode(
            new V1Alpha1GpuPriceBook
            {
                Status = new() { ObservedGeneration = entity.Metadata.Generation, Conditions = conditions },
            },
            ApiJson.GpuPriceBook
        )!["status"]!;
        try
        {
            await client.PatchAsync<V1Alpha1GpuPriceBook>(
                entity.Metadata.Name,
                null,
                KubePatch.Merge(new JsonObject { ["status"] = status.DeepClone() }) with
                {
                    Subresource = "status",
                },
                cancellationToken
            );
        }
        catch (ApiException error) when (error.IsNotFound)
        {
            // The book was deleted.
        }
        return result;
    }

    /// <summary>The last trusted prices remain, because a deleted book must not make running workloads free.</summary>
    public Task<ReconciliationResult<V1Alpha1GpuPriceBook>> DeletedAsync(V1Alpha1GpuPriceBook entity, CancellationToken cancellationToken)
    {
        prices.Refresh();
        Changed?.Invoke();
        return Task.FromResult(ReconciliationResult<V1Alpha1GpuPriceBook>.Success(entity));
    }

    /// <summary>
    /// Creates a book with dated list prices in a cluster that never had prices. If a book was deleted, none is created, because list
    /// prices would replace the user's prices without a request.
    /// </summary>
    /// <param name="everPriced">Whether the ledger had prices before they were first read.</param>
    public async Task EnsureDefaultAsync(bool everPriced, CancellationToken cancellationToken)
    {
        if (everPriced || stores.PriceBooks.Store.List().Any(b => b.Spec?.Default == true))
            return;
        try
        {
            await client.CreateAsync(GpuPriceBookReader.ToObject(DefaultPriceBook.Book), cancellationToken);
        }
        catch (ApiException error) when (error.IsAlreadyExists)
        {
            // A user has a book of that name that is not the default. Do not change it.
        }
    }

    private V1Condition Trust(V1Alpha1GpuPriceBook book)
    {
        var accept = string.Create(
            CultureInfo.InvariantCulture,
            $" To accept the book as it is, annotate it with {BursarAnnotations.AcceptGeneration}: \"{book.Metadata.Generation}\"."
        );
        // An acceptance does not help if the book has no rate.
        if (
            GpuPriceBookReader.Read(book, out _).Count > 0
            || prices.Problem is null && prices.Untrusted.Values.All(one => one.Why is PriceDecider.NoRate or PriceDecider.NoPower)
        )
            accept = "";
        var byReason = prices
            .Untrusted.Values.Distinct()
            .GroupBy(one => one.Why, one => one.Class, StringComparer.Ordinal)
            .OrderBy(group => group.Key, StringComparer.Ordinal)
            .ToArray();
        var (reason, message) =
            prices.Problem is { } problem ? (Reasons.PricesUntrusted, $"The last trusted prices apply: {problem}.{accept}")
            : byReason.Length == 0 && prices.ChargedAsOnDemand.Count > 0
                ? (
                    Reasons.ChargedAsOnDemand,
                    PriceTrust.AsOnDemand([
                        .. prices.ChargedAsOnDemand.Values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal),
                    ])
                )
            : byReason.Length == 0 ? (Reasons.Priced, "Every node is charged at this book's rates.")
            : byReason.All(group =>
                prices.Untrusted.Values.Where(one => one.Why == group.Key).All(one => ledger.CurrentRate(one.Class) is null)
                && group.Key == PriceDecider.NoRate
            )
                ? (Reasons.Unpriced, $"No rate matches {Classes(byReason[0])}: these workloads are not counted.")
            : (
                Reasons.PricesUntrusted,
                $"The last trusted prices apply, if there are any. {string.Join("; ", byReason.Take(5).Select(group => $"{Classes(group)}: {group.Key}"))}.{accept}"
            );
        return new()
        {
            Type = Reasons.PricesTrusted,
            Status = reason == Reasons.Priced ? "True" : "False",
            Reason = reason,
            Message = message,
            ObservedGeneration = book.Metadata.Generation,
        };
    }

    private static string Classes(IEnumerable<string> classes)
    {
        var all = classes.Order(StringComparer.Ordinal).ToArray();
        return string.Join(", ", all.Take(3))
            + (all.Length > 3 ? string.Create(CultureInfo.InvariantCulture, $" and {all.Length - 3} more") : "");
    }

    private void Publish(V1Alpha1GpuPriceBook book, V1Condition trust) =>
        recorder.Publish(
            new()
            {
                Regarding = V1ObjectReference.To(book),
                Type = trust.Status == "True" ? KubeEvent.Normal : KubeEvent.Warning,
                Reason = trust.Status == "True" ? Reasons.PricesTrusted : trust.Reason ?? Reasons.PricesUntrusted,
                Action = "Price",
                Note = trust.Message ?? "",
                Key = string.Create(CultureInfo.InvariantCulture, $"{book.Metadata.Generation}/{trust.Message}"),
            }
        );

    private void PublishInvalid(V1Alpha1GpuPriceBook book, string message) =>
        recorder.Publish(
            new()
            {
                Regarding = V1ObjectReference.To(book),
                Type = KubeEvent.Warning,
                Reason = Reasons.InvalidSpec,
                Action = "Validate",
                Note = message,
                Key = book.Metadata.Generation.ToString(CultureInfo.InvariantCulture),
            }
        );

    private void Publish(V1Alpha1GpuPriceBook book, IReadOnlyCollection<string> unknown) =>
        recorder.Publish(
            new()
            {
                Regarding = V1ObjectReference.To(book),
                Type = KubeEvent.Warning,
                Reason = Reasons.UnknownGpuResource,
                Action = "Price",
                Note =
                    $"Nodes have {string.Join(", ", unknown.Take(5))}, which Bursar does not know to be GPUs: they are not billed, and pods that use them have no price. Add them to the chart's gpuResources, or exclude them there with ! in front.",
                Key = $"unknown/{string.Join(",", unknown)}",
            }
        );

    private static string? Accepted(V1Alpha1GpuPriceBook book) =>
        book.Metadata.Annotations.TryGetValue(BursarAnnotations.AcceptGeneration, out var value) ? value : null;
}
