using Bursar.Api;

namespace Bursar.Operator.Cluster;

/// <summary>Objects of bursar.dev that the API server accepted but whose spec the operator cannot use.</summary>
internal static class InvalidObjects
{
    /// <summary>Lists them from the caches. Parses every spec.</summary>
    public static IEnumerable<(string Kind, string Namespace, string Name)> In(ClusterStores stores)
    {
        foreach (var budget in stores.Coverage.All)
            if (budget.Refusal is not null)
                yield return (budget.Kind, budget.Metadata.Namespace ?? "", budget.Metadata.Name);
        foreach (var request in stores.Requests.Store.List())
            if (GpuBudgetRequestReader.Read(request).Fault is not null)
                yield return (V1Alpha1GpuBudgetRequest.KindName, request.Metadata.Namespace ?? "", request.Metadata.Name);
        foreach (var book in stores.PriceBooks.Store.List())
            if (GpuPriceBookReader.Read(book, out _).Count > 0)
                yield return (V1Alpha1GpuPriceBook.KindName, "", book.Metadata.Name);
        foreach (var scaler in stores.Scalers.Store.List())
            if (InferenceScalerReader.Read(scaler, out _).Count > 0)
                yield return (V1Alpha1InferenceScaler.KindName, scaler.Metadata.Namespace ?? "", scaler.Metadata.Name);
    }
}
