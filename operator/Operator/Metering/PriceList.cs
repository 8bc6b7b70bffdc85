using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Prices;
using Bursar.Operator.Api;
using Bursar.Operator.Workloads;

namespace Bursar.Operator.Metering;

/// <summary>
/// The prices in force: the one default <c>GpuPriceBook</c>, as it was last readable. A change takes effect when it is
/// first seen and never rewrites the past.
/// </summary>
public sealed class PriceList(ClusterStores stores, GpuLedger ledger, TimeProvider time)
{
    private volatile PriceBook _book = DefaultPriceBook.Book;

    public PriceBook Book => _book;

    public string Currency => _book.Currency;

    public Rate? RateOf(string product) => GpuProduct.RateOf(product, _book);

    /// <summary>Reads the default book again and tells the ledger the price of every product of the cluster.</summary>
    public void Refresh()
    {
        // With several defaults the oldest stands, so that a second one by mistake changes no price.
        var chosen = stores.PriceBooks.Store.List().Where(b => b.Spec?.Default == true)
            .OrderBy(b => b.Metadata.CreationTimestamp).ThenBy(b => b.Metadata.Name, StringComparer.Ordinal).FirstOrDefault();
        if (chosen is not null && GpuPriceBookReader.Read(chosen, out var book).Count == 0) _book = book!;

        var now = time.GetUtcNow();
        foreach (var product in stores.Nodes.Store.List().Select(GpuProduct.Of).Distinct(StringComparer.Ordinal))
            if (product.Length > 0 && RateOf(product) is { } rate) ledger.Reprice(product, rate, now);
    }
}
