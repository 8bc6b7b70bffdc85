using System.Text.Json.Nodes;
using Bursar.Core.Prices;
using Bursar.Kube.Client;
using Bursar.Kube.Conditions;
using Bursar.Kube.Objects;
using Bursar.Kube.Reconcile;
using Bursar.Operator.Api;
using Bursar.Operator.Workloads;

namespace Bursar.Operator.Metering;

/// <summary>Keeps the prices in force up to date, and says on each book whether it can be read.</summary>
public sealed class PriceBookController(KubeClient client, ClusterStores stores, PriceList prices, TimeProvider time) : IEntityController<V1Alpha1GpuPriceBook>
{
    /// <summary>The prices changed: every budget is to be looked at again.</summary>
    public event Action? Changed;

    public async Task<ReconciliationResult<V1Alpha1GpuPriceBook>> ReconcileAsync(V1Alpha1GpuPriceBook entity, CancellationToken cancellationToken)
    {
        prices.Refresh();
        Changed?.Invoke();
        var errors = GpuPriceBookReader.Read(entity, out _);
        var conditions = Conditions.Set(entity.Status?.Conditions ?? [], new()
        {
            Type = "Ready",
            Status = errors.Count == 0 ? "True" : "False",
            Reason = errors.Count > 0 ? "InvalidSpec" : prices.Book.Name == entity.Metadata.Name ? "Default" : "NotDefault",
            Message = errors.Count > 0 ? string.Join("; ", errors.Take(5).Select(e => $"{e.Path}: {e.Message}"))
                : prices.Book.Name == entity.Metadata.Name ? "This book prices the cluster." : "Another book prices the cluster.",
            ObservedGeneration = entity.Metadata.Generation,
        }, time.GetUtcNow());
        if (entity.Status is { } written && written.ObservedGeneration == entity.Metadata.Generation && (written.Conditions ?? []).SequenceEqual(conditions))
            return ReconciliationResult<V1Alpha1GpuPriceBook>.Success(entity);
        var status = System.Text.Json.JsonSerializer.SerializeToNode(new V1Alpha1GpuPriceBook { Status = new() { ObservedGeneration = entity.Metadata.Generation, Conditions = conditions } }, ApiJson.GpuPriceBook)!["status"]!;
        try
        {
            await client.PatchAsync<V1Alpha1GpuPriceBook>(entity.Metadata.Name, null, KubePatch.Merge(new JsonObject { ["status"] = status.DeepClone() }) with { Subresource = "status" }, cancellationToken);
        }
        catch (ApiException error) when (error.IsNotFound)
        {
            // Deleted meanwhile; its deletion is reconciled by itself.
        }
        return ReconciliationResult<V1Alpha1GpuPriceBook>.Success(entity);
    }

    /// <summary>Prices stay as they were last known: a deleted book must not make running work free.</summary>
    public Task<ReconciliationResult<V1Alpha1GpuPriceBook>> DeletedAsync(V1Alpha1GpuPriceBook entity, CancellationToken cancellationToken)
    {
        prices.Refresh();
        Changed?.Invoke();
        return Task.FromResult(ReconciliationResult<V1Alpha1GpuPriceBook>.Success(entity));
    }

    /// <summary>A cluster without a default book gets one with dated list prices.</summary>
    public async Task EnsureDefaultAsync(CancellationToken cancellationToken)
    {
        if (stores.PriceBooks.Store.List().Any(b => b.Spec?.Default == true)) return;
        try
        {
            await client.CreateAsync(GpuPriceBookReader.ToObject(DefaultPriceBook.Book), cancellationToken);
        }
        catch (ApiException error) when (error.IsAlreadyExists)
        {
            // Somebody has one of that name that is not the default: theirs to decide.
        }
    }
}
