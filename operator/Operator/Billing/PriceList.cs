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
/// The prices in force: those of the default <c>GpuPriceBook</c>, as far as they are trusted. Trusted prices are stored in the ledger, so
/// neither a deleted book nor a restart changes them. A change takes effect when first seen or at its date, and never changes the past.
/// Thread-safe.
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

    /// <summary>Raised when the trust in a node's price or in the book itself changed.</summary>
    public event Action? TrustChanged;

    /// <summary>The book in force; null if there is none or it is invalid.</summary>
    public PriceBook? Book => _reading.Book;

    /// <summary>The name of the default book, valid or not.</summary>
    public string? BookName => _reading.Name;

    public string Currency => ledger.Currency ?? _reading.Book?.Currency ?? DefaultPriceBook.Currency;

    /// <summary>The problem of the whole book; null if there is none.</summary>
    public string? Problem => _reading.Problem;

    /// <summary>Nodes whose price is not the book's, with their price class and the reason.</summary>
    public IReadOnlyDictionary<string, (string Class, string Why)> Untrusted
    {
        get
        {
            lock (_gate)
                return _untrusted;
        }
    }

    /// <summary>Nodes with spot or reserved capacity that are charged at a general rate, with their product and capacity type.</summary>
    public IReadOnlyDictionary<string, string> ChargedAsOnDemand
    {
        get
        {
            lock (_gate)
                return _asOnDemand;
        }
    }

    /// <summary>Resources of nodes that look like GPUs but are unknown.</summary>
    public IReadOnlyCollection<string> UnknownResources
    {
        get
        {
            lock (_gate)
                return [.. _unknown];
        }
    }

    public DateTimeOffset? NextDate => _reading.Book?.DatesAfter(Now()).Select(date => (DateTimeOffset?)date).FirstOrDefault();

    /// <summary>Reads the default book again and updates the ledger with the price of every node's devices.</summary>
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

    /// <summary>Records a node's devices and their price in the ledger. Returns whether its devices changed.</summary>
    public bool Observe(V1Node node)
    {
        var changed = false;
        Price(node, out var devicesChanged, ref changed);
        if (changed)
            TrustChanged?.Invoke();
        return devicesChanged;
    }

    /// <summary>
    /// Records the driver's name of a node's GPUs, which is their product if no label names one. Returns whether the node's devices
    /// changed.
    /// </summary>
    public bool Name(string node, string product)
    {
        lock (_gate)
        {
            if (_names.TryGetValue(node, out var known) && known == product)
                return false;
            _names[node] = product;
        }
        return stores.Nodes.Store.Get(null, node) is { } current && stores.Gpus.DevicesOf(current).Product.Length == 0 && Observe(current);
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

    /// <summary>Returns HAMi's annotation with the node's cards; null without HAMi.</summary>
    public static string? RegisterOf(V1Node node) =>
        node.Metadata.Annotations.TryGetValue(HamiRegister.Annotation, out var text) ? text : null;

    /// <summary>Returns the hourly cost of a pod's request on a node at the trusted price, or its usage per hour; null if unknown.</summary>
    public HourlyCost? RateOn(V1Node node, GpuRequest request, CountedUsage counted)
    {
        var share = request.ShareOn(stores.Gpus.DevicesOf(node));
        // A shared claim costs the pod at most as much as if it used the claim alone.
        foreach (var claim in request.Claims ?? [])
            share = DeviceShare.Sum(share, claim.Share);
        return RateOf(ClassOf(node), CapacityTypeOf(node), share, counted) is { } rate ? rate * request.Units : null;
    }

    /// <summary>Returns the rate of a part of a GPU; null if unknown.</summary>
    public GpuHourPrice? RateOf(string priceClass, string capacityType, DeviceShare share, CountedUsage counted) =>
        share.RateOf(
            counted.RateOf(
                priceClass,
                capacityType,
                counted.IsMeasured ? UsualUse(PriceClassName.ProductOf(priceClass), counted.Unit) : ledger.RateOf(priceClass, Now())
            )
        );

    /// <summary>
    /// Returns the use per hour of a GPU that has not been measured yet: at the rated power of its board. Zero if that is unknown, and for
    /// tokens: such a workload is not predicted.
    /// </summary>
    private GpuHourPrice UsualUse(string product, UsageUnit unit)
    {
        var watts = BoardPower.Find(product) ?? 0;
        return unit switch
        {
            UsageUnit.Energy => new(watts * 1_000_000L),
            UsageUnit.Co2e => new(watts * (ledger.GridIntensity?.MilligramsInMean ?? 0)),
            _ => GpuHourPrice.Zero,
        };
    }

    /// <summary>Whether the GPUs of a node count.</summary>
    public bool Counts(V1Node node, CountedUsage counted) => counted.Counts(ClassOf(node), CapacityTypeOf(node));

    private static string CapacityTypeOf(V1Node node) => PricedNode.From("", node.Metadata.Labels).CapacityType;

    /// <summary>Returns the price class of a node in the ledger.</summary>
    public string ClassOf(V1Node node) =>
        ledger.LastStatement(node.Metadata.Name) is { Product.Length: > 0 } recorded
            ? recorded.Product
            : stores.Gpus.DevicesOf(node).Product;

    /// <summary>Returns the time, which never goes back. A price for a time that is already charged would change the past.</summary>
    private DateTimeOffset Now()
    {
        lock (_gate)
            return _latest = time.GetUtcNow() is var now && now > _latest ? now : _latest;
    }

    private Reading Read(V1Alpha1GpuPriceBook? chosen)
    {
        // In a cluster that never had prices, use the book that the operator is about to create.
        if (chosen is null)
            return ledger.HasPrices ? new(null, null, PriceDecider.NoBook) : new(DefaultPriceBook.Book, null, null);
        var name = chosen.Metadata.Name;
        if (GpuPriceBookReader.Read(chosen, out var book) is { Count: > 0 } errors)
            return new(null, name, $"GpuPriceBook {name} cannot be read ({errors[0]})");
        // Amounts in different currencies cannot be added.
        if (ledger.Currency is { } current && current != book!.Currency && ledger.HasPrices && !book.IsAccepted)
            return new(null, name, $"GpuPriceBook {name} is in {book.Currency} and all sums so far are in {current}");
        ledger.SetCurrency(book!.Currency);
        ledger.GridIntensity = book.GridIntensity;
        return new(book, name, null);
    }

    private void Price(V1Node node, out bool devicesChanged, ref bool changed)
    {
        // Serialize, so that a verdict from an old book never follows one from the new book.
        lock (_gate)
            Price_NeedsLock(node, out devicesChanged, ref changed);
    }

    private void Price_NeedsLock(V1Node node, out bool devicesChanged, ref bool changed)
    {
        devicesChanged = false;
        var name = node.Metadata.Name;
        var devices = stores.Gpus.DevicesOf(node);
        foreach (var resource in devices.Unknown)
            changed |= _unknown.Add(resource);
        if (devices is { Product.Length: 0, Cards: 0 })
            return;
        var now = Now();
        var recorded = ledger.LastStatement(name);
        var reading = _reading;
        // Without a label the driver's name is the product. After a restart, until it is reported again, use the recorded one.
        var product =
            devices.Product.Length > 0 ? devices.Product : _names.GetValueOrDefault(name) ?? PriceClassName.ProductOf(recorded.Product);
        var priced = PricedNode.From(product, node.Metadata.Labels);
        var verdict = PriceDecider.Decide(reading.Book, reading.Problem, priced, recorded.Product, c => ledger.RateOf(c, now), now);
        // Set the price first, so that the class is never without one.
        if (verdict.Rate is { } rate)
            ledger.Reprice(verdict.Class, rate, now, verdict.Planned);
        if (devices.Cards > 0)
            devicesChanged = ledger.ObserveNode(
                name,
                verdict.Class,
                devices.Cards,
                recorded.Gpus == 0 ? node.Metadata.CreationTimestamp ?? now : now,
                priced.CapacityType
            );

        var asOnDemand = devices.Cards > 0 && verdict.ChargedAsOnDemand is { } capacity ? $"{verdict.Class} ({capacity})" : null;
        if (_asOnDemand.GetValueOrDefault(name) != asOnDemand)
        {
            _asOnDemand = asOnDemand is null ? _asOnDemand.Remove(name) : _asOnDemand.SetItem(name, asOnDemand);
            changed = true;
        }
        var known = _untrusted.TryGetValue(name, out var previous);
        var doubt = devices.Cards > 0 ? verdict.Untrusted : null;
        if (doubt is null ? !known : known && previous == (verdict.Class, doubt))
            return;
        _untrusted = doubt is null ? _untrusted.Remove(name) : _untrusted.SetItem(name, (verdict.Class, doubt));
        changed = true;
    }
}
