using System.Collections.Immutable;
using Bursar.Api;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Prices;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Operator.Cluster.Gpus;

namespace Bursar.Operator.Billing;

/// <summary>
/// The prices in force: the one default <c>GpuPriceBook</c>, as far as it can be trusted. What is trusted stands in the
/// ledger, so that neither a book that is deleted nor a restart changes a price. A change takes effect when it is first
/// seen, or at its date, and never rewrites the past.
/// </summary>
internal sealed class PriceList(ClusterStores stores, GpuLedger ledger, TimeProvider time)
{
    private sealed record Reading(PriceBook? Book, string? Name, string? Problem);

    private readonly Lock _gate = new();
    private DateTimeOffset _latest;
    private volatile Reading _reading = new(null, null, PriceDecider.NoBook);
    private readonly Dictionary<string, string> _names = new(StringComparer.Ordinal);
    private ImmutableSortedDictionary<string, (string Class, string Why)> _untrusted = ImmutableSortedDictionary.Create<
        string,
        (string, string)
    >(StringComparer.Ordinal);

    private readonly SortedSet<string> _unknown = new(StringComparer.Ordinal);
    private ImmutableSortedDictionary<string, string> _asOnDemand = ImmutableSortedDictionary.Create<string, string>(
        StringComparer.Ordinal
    );

    /// <summary>A node's price became untrusted, or trusted again, or the book itself did.</summary>
    public event Action? TrustChanged;

    /// <summary>The book in force; null when there is none, or none that can be read.</summary>
    public PriceBook? Book => _reading.Book;

    /// <summary>The name of the default book, readable or not.</summary>
    public string? BookName => _reading.Name;

    public string Currency => ledger.Currency ?? _reading.Book?.Currency ?? DefaultPriceBook.Currency;

    /// <summary>What is wrong with the book as a whole; null when nothing is.</summary>
    public string? Problem => _reading.Problem;

    /// <summary>Nodes whose price is not the book's, with their price class and why.</summary>
    public IReadOnlyDictionary<string, (string Class, string Why)> Untrusted
    {
        get
        {
            lock (_gate)
                return _untrusted;
        }
    }

    /// <summary>
    /// Nodes of spot or reserved capacity that are charged at a rate for all capacity, with their product and capacity type.
    /// </summary>
    public IReadOnlyDictionary<string, string> ChargedAsOnDemand
    {
        get
        {
            lock (_gate)
                return _asOnDemand;
        }
    }

    /// <summary>Resources of nodes that look like GPUs and are not in the table.</summary>
    public IReadOnlyCollection<string> UnknownResources
    {
        get
        {
            lock (_gate)
                return [.. _unknown];
        }
    }

    /// <summary>When the book next changes by itself.</summary>
    public DateTimeOffset? NextDate => _reading.Book?.DatesAfter(Now()).Select(date => (DateTimeOffset?)date).FirstOrDefault();

    /// <summary>Reads the default book again and tells the ledger the price of every node's devices.</summary>
    public void Refresh()
    {
        var chosen = GpuPriceBookReader.Chosen(stores.PriceBooks.Store.List());
        var before = _reading;
        _reading = Read(chosen);
        var changed = before.Problem != _reading.Problem || before.Name != _reading.Name;
        foreach (var node in stores.Nodes.Store.List())
            Price(node, out _, ref changed);
        if (changed)
            TrustChanged?.Invoke();
    }

    /// <summary>Tells the ledger what a node has and what it costs. True when the ledger did not know its devices so.</summary>
    public bool Observe(V1Node node)
    {
        var changed = false;
        Price(node, out var news, ref changed);
        if (changed)
            TrustChanged?.Invoke();
        return news;
    }

    /// <summary>
    /// What the driver calls a node's GPUs: their product where no label tells one. True when the ledger did not know its devices so.
    /// </summary>
    public bool Name(string node, string product)
    {
        lock (_gate)
        {
            if (_names.TryGetValue(node, out var known) && known == product)
                return false;
            _names[node] = product;
        }
        return stores.Nodes.Store.Get(null, node) is { } told && stores.Gpus.DevicesOf(told).Product.Length == 0 && Observe(told);
    }

    public void ObserveGone(string node)
    {
        bool changed;
        lock (_gate)
        {
            _names.Remove(node);
            changed = _untrusted.ContainsKey(node) || _asOnDemand.ContainsKey(node);
            _untrusted = _untrusted.Remove(node);
            _asOnDemand = _asOnDemand.Remove(node);
        }
        if (changed)
            TrustChanged?.Invoke();
    }

    /// <summary>What HAMi wrote of the node's cards; null where it is not at work.</summary>
    public static string? RegisterOf(V1Node node) =>
        node.Metadata.Annotations.TryGetValue(HamiRegister.Annotation, out var text) ? text : null;

    /// <summary>What a pod's request costs an hour on a node, at the trusted price; null while that is not known.</summary>
    public HourlyCost? RateOn(V1Node node, GpuRequest request)
    {
        var share = request.ShareOn(stores.Gpus.DevicesOf(node));
        // With others it pays a part of its claims; at most it pays them alone.
        foreach (var claim in request.Claims ?? [])
            share = DeviceShare.Sum(share, claim.Share);
        return RateOf(ClassOf(node), share) is { } rate ? rate * request.Units : null;
    }

    /// <summary>The trusted price of a part of a device of a class.</summary>
    public GpuHourPrice? RateOf(string priceClass, DeviceShare share) => share.RateOf(ledger.RateOf(priceClass, Now()));

    /// <summary>The class under which the ledger keeps a node.</summary>
    public string ClassOf(V1Node node) =>
        ledger.LastStatement(node.Metadata.Name) is { Product.Length: > 0 } told ? told.Product : stores.Gpus.DevicesOf(node).Product;

    /// <summary>
    /// A clock that is set back stands still here: a price told for a time that was charged already would rewrite the past.
    /// </summary>
    private DateTimeOffset Now()
    {
        lock (_gate)
            return _latest = time.GetUtcNow() is var now && now > _latest ? now : _latest;
    }

    private Reading Read(V1Alpha1GpuPriceBook? chosen)
    {
        // Where nothing was ever priced, the book that the operator is about to write is as good as there.
        if (chosen is null)
            return ledger.HasPrices ? new(null, null, PriceDecider.NoBook) : new(DefaultPriceBook.Book, null, null);
        var name = chosen.Metadata.Name;
        if (GpuPriceBookReader.Read(chosen, out var book) is { Count: > 0 } errors)
            return new(null, name, $"GpuPriceBook {name} cannot be read ({errors[0]})");
        // Sums of two currencies are no sums.
        if (ledger.Currency is { } sofar && sofar != book!.Currency && ledger.HasPrices && !book.IsAccepted)
            return new(null, name, $"GpuPriceBook {name} is in {book.Currency} and all sums so far are in {sofar}");
        ledger.SetCurrency(book!.Currency);
        return new(book, name, null);
    }

    private void Price(V1Node node, out bool news, ref bool changed)
    {
        // One at a time: a verdict by the book before must not be told after one by the book now.
        lock (_gate)
            PriceAlone(node, out news, ref changed);
    }

    private void PriceAlone(V1Node node, out bool news, ref bool changed)
    {
        news = false;
        var name = node.Metadata.Name;
        var devices = stores.Gpus.DevicesOf(node);
        foreach (var resource in devices.Unknown)
            changed |= _unknown.Add(resource);
        if (devices is { Product.Length: 0, Cards: 0 })
            return;
        var now = Now();
        var told = ledger.LastStatement(name);
        var reading = _reading;
        // Without a label the driver's name is the product, and before anyone has told it again, after a restart, what it was.
        var product = devices.Product.Length > 0 ? devices.Product : _names.GetValueOrDefault(name) ?? PriceClass.ProductOf(told.Product);
        var verdict = PriceDecider.Decide(
            reading.Book,
            reading.Problem,
            PricedNode.Of(product, node.Metadata.Labels),
            told.Product,
            c => ledger.RateOf(c, now),
            now
        );
        // The price first: a class without one would be unpriced for a moment.
        if (verdict.Rate is { } rate)
            ledger.Reprice(verdict.Class, rate, now, verdict.Planned);
        if (devices.Cards > 0)
            news = ledger.ObserveNode(name, verdict.Class, devices.Cards, told.Gpus == 0 ? node.Metadata.CreationTimestamp ?? now : now);

        var asOnDemand = devices.Cards > 0 && verdict.ChargedAsOnDemand is { } capacity ? $"{verdict.Class} ({capacity})" : null;
        if (_asOnDemand.GetValueOrDefault(name) != asOnDemand)
        {
            _asOnDemand = asOnDemand is null ? _asOnDemand.Remove(name) : _asOnDemand.SetItem(name, asOnDemand);
            changed = true;
        }
        var known = _untrusted.TryGetValue(name, out var former);
        var doubt = devices.Cards > 0 ? verdict.Untrusted : null;
        if (doubt is null ? !known : known && former == (verdict.Class, doubt))
            return;
        _untrusted = doubt is null ? _untrusted.Remove(name) : _untrusted.SetItem(name, (verdict.Class, doubt));
        changed = true;
    }
}
