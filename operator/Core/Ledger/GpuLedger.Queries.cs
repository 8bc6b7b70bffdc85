using System.Collections.Immutable;
using System.Numerics;
using Bursar.Core.Money;
using Bursar.Core.Text;

namespace Bursar.Core.Ledger;

/// <summary>
/// Queries. Intervals are [from, to) and start at the installation at the earliest. Open pods are charged up to the smaller of <c>to</c>
/// and <c>now</c>. Only an empty selector matches a pod whose labels are unknown.
/// </summary>
public sealed partial class GpuLedger
{
    private readonly List<RatedSpan> _scratch = [];

    /// <summary>Returns the cost of the selected pods of a namespace in an interval, or their usage in another unit.</summary>
    public Amount Spent(
        string ns,
        LabelSelector selector,
        DateTimeOffset from,
        DateTimeOffset to,
        DateTimeOffset now,
        CountedUsage? counted = null
    )
    {
        lock (_gate)
        {
            if (!_podsByNamespace.TryGetValue(ns, out var list))
                return Amount.Zero;
            var (start, end) = Clip(from, to, now);
            Int128 units = 0;
            foreach (var pod in list)
                if (pod.From < end && !(pod.End <= start) && Selects(selector, pod))
                    units += UnitsOf(pod, start, end, counted);
            return new(units);
        }
    }

    /// <summary>Returns the cost or usage of the selected pods of a namespace between each two of a list of times in order.</summary>
    public Amount[] SpentBetween(
        string ns,
        LabelSelector selector,
        IReadOnlyList<DateTimeOffset> times,
        DateTimeOffset now,
        CountedUsage counted
    )
    {
        lock (_gate)
        {
            var sums = new Amount[times.Count - 1];
            if (!_podsByNamespace.TryGetValue(ns, out var list))
                return sums;
            foreach (var pod in list)
            {
                if (!Selects(selector, pod))
                    continue;
                for (var i = 0; i < sums.Length; i++)
                {
                    var (start, end) = Clip(times[i], times[i + 1], now);
                    if (pod.From < end && !(pod.End <= start))
                        sums[i] += new Amount(UnitsOf(pod, start, end, counted));
                }
            }
            return sums;
        }
    }

    /// <summary>Returns the cost or usage by workload. Workloads without any in the interval are left out unless they run.</summary>
    public IReadOnlyList<WorkloadSpend> SpentByWorkload(
        string ns,
        LabelSelector selector,
        DateTimeOffset from,
        DateTimeOffset to,
        DateTimeOffset now,
        CountedUsage? counted = null
    ) => [.. SpentBy(ns, selector, null, from, to, now, counted).Select(one => one.Spend)];

    /// <summary>
    /// Returns the cost or usage by value of a label and by workload. Pods without the label are left out. A workload that was relabelled
    /// between its runs has several values.
    /// </summary>
    public IReadOnlyList<(string Value, WorkloadSpend Spend)> SpentByLabel(
        string ns,
        LabelSelector selector,
        string key,
        DateTimeOffset from,
        DateTimeOffset to,
        DateTimeOffset now,
        CountedUsage? counted = null
    ) => SpentBy(ns, selector, key, from, to, now, counted);

    private IReadOnlyList<(string Value, WorkloadSpend Spend)> SpentBy(
        string ns,
        LabelSelector selector,
        string? key,
        DateTimeOffset from,
        DateTimeOffset to,
        DateTimeOffset now,
        CountedUsage? counted
    )
    {
        lock (_gate)
        {
            if (!_podsByNamespace.TryGetValue(ns, out var list))
                return [];
            var (start, end) = Clip(from, to, now);
            var days = TouchedDays(from, to, now);
            var sums = new Dictionary<(string Value, WorkloadKey Workload), Sum>();
            foreach (var pod in list)
            {
                if (pod.From > end || pod.End <= start || !Selects(selector, pod))
                    continue;
                var value = "";
                if (key is not null && pod.Labels?.TryGetValue(key, out value) != true)
                    continue;
                if (!sums.TryGetValue((value!, pod.Workload), out var sum))
                    sums.Add((value!, pod.Workload), sum = new(pod.Class));
                sum.Add(this, pod, start, end, days, counted);
            }
            return
            [
                .. sums.Select(pair => (pair.Key.Value, Spend: pair.Value.ToSpend(pair.Key.Workload)))
                    .Where(one => counted?.IsPartial != true || one.Spend.Gpus > 0 || one.Spend.Spent > Amount.Zero)
                    .OrderBy(one => one.Spend.Workload.Kind, StringComparer.Ordinal)
                    .ThenBy(one => one.Spend.Workload.Name, StringComparer.Ordinal)
                    .ThenBy(one => one.Spend.Workload.Uid, StringComparer.Ordinal),
            ];
        }
    }

    /// <summary>Returns the values of a label among the selected pods of a namespace that were billed in an interval.</summary>
    public IReadOnlySet<string> LabelValues(string ns, LabelSelector selector, string key, DateTimeOffset from, DateTimeOffset to)
    {
        var values = new HashSet<string>(StringComparer.Ordinal);
        lock (_gate)
        {
            var (start, end) = (from.ToUnixTimeMilliseconds(), to.ToUnixTimeMilliseconds());
            foreach (var pod in _podsByNamespace.GetValueOrDefault(ns) ?? [])
                if (pod.From < end && !(pod.End <= start) && pod.Labels?.GetValueOrDefault(key) is { } value && Selects(selector, pod))
                    values.Add(value);
        }
        return values;
    }

    /// <summary>Returns the cost of the namespace's GPU pods that no selector matches.</summary>
    public Amount OutsideSelectors(
        string ns,
        IReadOnlyList<LabelSelector> selectors,
        DateTimeOffset from,
        DateTimeOffset to,
        DateTimeOffset now
    )
    {
        lock (_gate)
        {
            if (!_podsByNamespace.TryGetValue(ns, out var list))
                return Amount.Zero;
            var (start, end) = Clip(from, to, now);
            Int128 units = 0;
            foreach (var pod in list)
            {
                if (pod.From >= end || pod.End <= start)
                    continue;
                var selected = false;
                foreach (var selector in selectors)
                    selected |= Selects(selector, pod);
                if (!selected)
                    units += UnitsOf(pod, start, end);
            }
            return new(units);
        }
    }

    /// <summary>Returns the rate of the selected pods that run at a time. Pods on unreachable nodes count zero.</summary>
    public HourlyCost RatePerHour(string ns, LabelSelector selector, DateTimeOffset at)
    {
        lock (_gate)
        {
            if (!_podsByNamespace.TryGetValue(ns, out var list))
                return HourlyCost.Zero;
            var rate = HourlyCost.Zero;
            foreach (var pod in list)
                if (Selects(selector, pod) && RateAt(pod, at.ToUnixTimeMilliseconds()) is { } podRate)
                    rate += podRate;
            return rate;
        }
    }

    /// <summary>Returns spending as stretches of constant rate, for <see cref="RollingSum"/>. The end of an open one is null.</summary>
    public IReadOnlyList<SpendSegment> Segments(
        string ns,
        LabelSelector selector,
        DateTimeOffset from,
        DateTimeOffset now,
        CountedUsage? counted = null
    )
    {
        var segments = new List<SpendSegment>();
        foreach (var (entry, labels) in EntriesWithLabels(ns, from, now, now, counted))
            if (entry.Rate is { } rate && SelectsLabels(selector, labels))
                segments.Add(new(entry.From, entry.To, rate * entry.Gpus));
        return segments;
    }

    /// <summary>
    /// Returns every billed stretch of the namespace inside [from, to), by pod and time. The last one of a running pod is open if it
    /// reaches <paramref name="now"/>.
    /// </summary>
    public IReadOnlyList<LedgerEntry> Entries(string ns, DateTimeOffset from, DateTimeOffset to, DateTimeOffset now) =>
        [.. EntriesWithLabels(ns, from, to, now).Select(pair => pair.Entry)];

    /// <summary>Returns the breakdown of a node's cost. The parts sum to the total exactly.</summary>
    public NodeBill Bill(string node, DateTimeOffset from, DateTimeOffset to, DateTimeOffset now)
    {
        lock (_gate)
        {
            if (!_nodes.TryGetValue(node, out var account))
                return new(Amount.Zero, Amount.Zero, Amount.Zero, new Dictionary<string, Amount>(), 0);
            var (start, end) = Clip(from, to, now);

            // Reserved is summed per pod, as budgets do; the rest by a sweep over the node. Nothing is computed by subtraction, so an error
            // in either shows as a bill that does not add up.
            Int128 reserved = 0;
            var edges = new SortedDictionary<long, List<(DeviceShare Share, int Reserved, int Unknown)>>();
            var claimed = new List<(long At, SharedClaim Claim, int Holders)>();
            foreach (var pod in account.Pods)
            {
                if (pod.Labels is not null)
                    reserved += UnitsOf(pod, start, end);
                var begin = Math.Max(start, pod.From);
                var close = Math.Min(end, pod.End ?? end);
                if (begin >= close)
                    continue;
                var step = pod.Labels is not null ? (Reserved: pod.Gpus, Unknown: 0) : (Reserved: 0, Unknown: pod.Gpus);
                Edge(edges, begin).Add((pod.Share, step.Reserved, step.Unknown));
                Edge(edges, close).Add((pod.Share, -step.Reserved, -step.Unknown));
                foreach (var claim in pod.Claims)
                    claimed.AddRange([(begin, claim, 1), (close, claim, -1)]);
            }
            foreach (var (at, _, _, _) in account.Capacity)
                Edge(edges, Math.Clamp(at, start, Math.Max(start, end)));
            foreach (var (away, back) in account.Lost)
            {
                Edge(edges, Math.Clamp(away, start, Math.Max(start, end)));
                if (back is { } at)
                    Edge(edges, Math.Clamp(at, start, Math.Max(start, end)));
            }
            Edge(edges, start);
            Edge(edges, Math.Max(start, end));

            Int128 total = 0,
                unallocated = 0,
                lost = 0,
                unknownLabels = 0,
                unpriced = 0;
            var taken = new Dictionary<DeviceShare, (int Reserved, int Unknown)>();
            // A claim counts once, however many pods share it.
            var holders = new Dictionary<string, int>(StringComparer.Ordinal);
            claimed.Sort((left, right) => left.At.CompareTo(right.At));
            var next = 0;
            long? previous = null;
            foreach (var (at, steps) in edges)
            {
                if (previous is { } begin && begin < at)
                {
                    // Devices of a node that is no longer in the cluster cost nothing.
                    var present = account.IsGone(begin) ? 0 : Math.Max(account.CapacityAt(begin) ?? 0, CardsOf(taken));
                    _scratch.Clear();
                    CutByPrice(account, begin, at);
                    foreach (var span in _scratch)
                    {
                        Int128 length = span.To - span.From;
                        if (span.Nano is not { } nano)
                        {
                            unpriced += length * present;
                            continue;
                        }
                        var perGpu = length * nano;
                        total += perGpu * present;
                        if (present == 0)
                            continue;
                        if (IsLost(account, begin))
                            lost += perGpu * present;
                        else
                        {
                            // In amounts, not devices: what parts leave of a card, including fractions of a nano, is unallocated.
                            Int128 rest = (Int128)nano * present;
                            foreach (var (share, (held, unknown)) in taken)
                            {
                                if (share.NanoOf(nano) is not { } part)
                                    continue;
                                rest -= (Int128)part * (held + unknown);
                                unknownLabels += length * part * unknown;
                            }
                            unallocated += length * rest;
                        }
                        foreach (var (share, (held, unknown)) in taken)
                            if (!share.IsKnown)
                                unpriced += length * (held + unknown);
                    }
                }
                foreach (var (share, held, unknown) in steps)
                {
                    taken.TryGetValue(share, out var sum);
                    taken[share] = (sum.Reserved + held, sum.Unknown + unknown);
                }
                for (; next < claimed.Count && claimed[next].At <= at; next++)
                {
                    var (_, claim, step) = claimed[next];
                    holders.TryGetValue(claim.Uid, out var many);
                    holders[claim.Uid] = many + step;
                    var change = many > 0 == many + step > 0 ? 0 : step;
                    if (change == 0)
                        continue;
                    taken.TryGetValue(claim.Share, out var sum);
                    taken[claim.Share] = (sum.Reserved + change, sum.Unknown);
                }
                previous = at;
            }
            var unattributed = new SortedDictionary<string, Amount>(StringComparer.Ordinal);
            if (lost != 0)
                unattributed[NodeBill.NodeLost] = new(lost);
            if (unknownLabels != 0)
                unattributed[NodeBill.LabelsUnknown] = new(unknownLabels);
            return new(new(total), new(reserved), new(unallocated), unattributed, unpriced);
        }
    }

    public IReadOnlyList<string> Nodes()
    {
        lock (_gate)
            return [.. _nodes.Keys.Order(StringComparer.Ordinal)];
    }

    /// <summary>Returns the namespaces that were ever charged.</summary>
    public IReadOnlyList<string> Namespaces()
    {
        lock (_gate)
            return [.. _podsByNamespace.Keys.Union(_past.Keys).Order(StringComparer.Ordinal)];
    }

    /// <summary>Returns the total device time that the node's agent could not attribute to a pod, by reason.</summary>
    public IReadOnlyDictionary<string, long> UnattributedMs(string node)
    {
        lock (_gate)
            return _nodes.TryGetValue(node, out var account)
                ? account.Journal.UnattributedMs
                : ImmutableSortedDictionary<string, long>.Empty;
    }

    /// <summary>Returns the pods that are still charged.</summary>
    public IReadOnlyList<OpenPod> OpenPods()
    {
        lock (_gate)
        {
            return
            [
                .. _pods
                    .Values.Where(pod => pod.Labels is not null && pod.End is null)
                    .Select(pod => new OpenPod(
                        pod.Uid,
                        pod.Pod,
                        pod.Node.Name,
                        pod.Workload,
                        pod.Gpus,
                        Moment(pod.From),
                        pod.JournalTo is { } at ? Moment(at) : null
                    )),
            ];
        }
    }

    /// <summary>Returns the pods of a node that only its agent has reported, with their times from its journal.</summary>
    public IReadOnlyList<OpenPod> JournalPods(string node)
    {
        lock (_gate)
        {
            return !_nodes.TryGetValue(node, out var account)
                ? []
                :
                [
                    .. account
                        .Pods.Where(pod => pod is { Labels: null, JournalTo: not null })
                        .Select(pod => new OpenPod(
                            pod.Uid,
                            pod.Pod,
                            node,
                            pod.Workload,
                            pod.Gpus,
                            Moment(pod.From),
                            Moment(pod.JournalTo!.Value)
                        )),
                ];
        }
    }

    /// <summary>
    /// Returns the products of running pods or present nodes that have no price. A device without a product has the empty name.
    /// </summary>
    public IReadOnlyList<string> UnpricedProducts()
    {
        lock (_gate)
        {
            var found = new SortedSet<string>(StringComparer.Ordinal);
            foreach (var node in _nodes.Values)
            {
                var present = node.Capacity.Count > 0 && node.Capacity[^1].Gpus > 0;
                if (!present && !node.Pods.Exists(pod => pod.End is null))
                    continue;
                var product = ProductOf(node, node.Capacity.Count - 1);
                if (!_prices.ContainsKey(product))
                    found.Add(product);
                foreach (var pod in node.Pods)
                    if (pod.End is null && !pod.Share.IsKnown)
                        found.Add(pod.Product);
            }
            return [.. found];
        }
    }

    /// <summary>Returns the latest price of a product, including planned ones.</summary>
    public GpuHourPrice? CurrentRate(string product)
    {
        lock (_gate)
            return _prices.TryGetValue(product, out var timeline) ? new GpuHourPrice(timeline.Changes[^1].Nano) : null;
    }

    /// <summary>Returns the price of a product at a time, taking planned prices into account.</summary>
    public GpuHourPrice? RateOf(string product, DateTimeOffset at)
    {
        lock (_gate)
            return _prices.TryGetValue(product, out var timeline) ? new GpuHourPrice(timeline.At(at.ToUnixTimeMilliseconds())) : null;
    }

    /// <summary>Returns all names with a price, as given to <see cref="Reprice"/>.</summary>
    public IReadOnlyList<string> PricedProducts()
    {
        lock (_gate)
            return [.. _prices.Keys.Order(StringComparer.Ordinal)];
    }

    public bool HasPrices
    {
        get
        {
            lock (_gate)
                return _prices.Count > 0;
        }
    }

    /// <summary>Returns a node's latest product, GPU count and capacity type: empty, zero and empty if unknown.</summary>
    public (string Product, int Gpus, string CapacityType) LastStatement(string node)
    {
        lock (_gate)
            return _nodes.TryGetValue(node, out var account) && account.Capacity.Count > 0
                ? (account.Capacity[^1].Product, Math.Max(0, account.Capacity[^1].Gpus), account.Capacity[^1].CapacityType)
                : ("", 0, "");
    }

    private List<(LedgerEntry Entry, IReadOnlyDictionary<string, string>? Labels)> EntriesWithLabels(
        string ns,
        DateTimeOffset from,
        DateTimeOffset to,
        DateTimeOffset now,
        CountedUsage? counted = null
    )
    {
        lock (_gate)
        {
            var entries = new List<(LedgerEntry, IReadOnlyDictionary<string, string>?)>();
            if (!_podsByNamespace.TryGetValue(ns, out var list))
                return entries;
            var (start, end) = Clip(from, to, now);
            var present = now.ToUnixTimeMilliseconds();
            foreach (var pod in list.OrderBy(pod => pod.From).ThenBy(pod => pod.Uid, StringComparer.Ordinal))
            {
                SpansOf(pod, start, end, counted);
                foreach (var span in _scratch)
                {
                    var open = pod.End is null && span.To == present && end == present && !IsLost(pod.Node, present);
                    entries.Add(
                        (
                            new(
                                pod.Uid,
                                pod.Pod,
                                pod.Workload,
                                pod.Class,
                                pod.Node.Name,
                                pod.Share.IsKnown ? ProductAt(pod.Node, span.From) : pod.Product,
                                pod.Gpus,
                                span.Nano is { } nano ? new GpuHourPrice(nano) : null,
                                Moment(span.From),
                                open ? null : Moment(span.To)
                            )
                            {
                                Share = span.Share ?? pod.Share,
                                CapacityType = CapacityTypeAt(pod.Node, span.From),
                            },
                            pod.Labels
                        )
                    );
                }
            }
            return entries;
        }
    }

    private (long From, long To) Clip(DateTimeOffset from, DateTimeOffset to, DateTimeOffset now) =>
        (Math.Max(from.ToUnixTimeMilliseconds(), CountedFrom), Math.Min(to.ToUnixTimeMilliseconds(), now.ToUnixTimeMilliseconds()));

    /// <summary>The first time whose facts are kept.</summary>
    private long CountedFrom => Math.Max(_installed ?? long.MinValue, _detailDay is { } day ? UtcDay.Start(day) : long.MinValue);

    /// <summary>Returns the UTC days that an interval touches, and their part that is charged by now.</summary>
    private Touched TouchedDays(DateTimeOffset from, DateTimeOffset to, DateTimeOffset now)
    {
        var first = UtcDay.From(from.ToUnixTimeMilliseconds());
        var end = UtcDay.AtOrAfter(to.ToUnixTimeMilliseconds());
        return new(first, end, Math.Max(UtcDay.Start(first), CountedFrom), Math.Min(UtcDay.Start(end), now.ToUnixTimeMilliseconds()));
    }

    /// <param name="End">The day after the last one.</param>
    private readonly record struct Touched(int First, int End, long From, long To);

    private static bool Selects(LabelSelector selector, PodAccount pod) => SelectsLabels(selector, pod.Labels);

    private static bool SelectsLabels(LabelSelector selector, IReadOnlyDictionary<string, string>? labels) =>
        selector.IsEmpty || labels is not null && selector.Matches(labels);

    private Int128 UnitsOf(PodAccount pod, long from, long to, CountedUsage? counted = null)
    {
        if (counted is { IsMeasured: true })
            return MeasuredUnits(pod, from, to, counted.Unit);
        SpansOf(pod, from, to, counted);
        Int128 units = 0;
        foreach (var span in _scratch)
            units += (Int128)(span.Nano ?? 0) * pod.Gpus * (span.To - span.From);
        return units;
    }

    private HourlyCost? RateAt(PodAccount pod, long at, CountedUsage? counted = null)
    {
        if (at < pod.From || pod.End <= at)
            return null;
        SpansOf(pod, at, at + 1, counted);
        return _scratch.Count == 1 && _scratch[0].Nano is { } nano ? new GpuHourPrice(nano) * pod.Gpus : null;
    }

    /// <summary>
    /// Fills the scratch list with the pod's billed time in [from, to): its lifetime without the node's absences, cut at price changes.
    /// </summary>
    private void SpansOf(PodAccount pod, long from, long to, CountedUsage? counted = null)
    {
        _scratch.Clear();
        CutLifetime(pod, from, to, counted);
        if (pod.Claims.Count > 0)
        {
            DivideClaims(pod);
            return;
        }
        if (pod.Share.IsWhole)
            return;
        for (var i = 0; i < _scratch.Count; i++)
            _scratch[i] = _scratch[i] with { Nano = pod.Share.NanoOf(_scratch[i].Nano) };
    }

    /// <summary>
    /// Cuts the spans where another pod starts or ends to use one of the pod's claims, and assigns the pod its part of each. The cost of a
    /// claim is divided evenly; remaining nanos go to the first pods by UID.
    /// </summary>
    private void DivideClaims(PodAccount pod)
    {
        var spans = _scratch.ToArray();
        _scratch.Clear();
        var edges = new SortedSet<long>();
        foreach (var other in pod.Node.Pods)
        {
            if (!other.Claims.Any(claim => pod.Claims.Any(own => own.Uid == claim.Uid)))
                continue;
            edges.Add(other.From);
            if (other.End is { } end)
                edges.Add(end);
        }
        foreach (var span in spans)
            for (var from = span.From; from < span.To; )
            {
                var to = edges.GetViewBetween(from + 1, long.MaxValue) is { Count: > 0 } later && later.Min < span.To ? later.Min : span.To;
                var nano = pod.Share.NanoOf(span.Nano);
                var share = pod.Share;
                foreach (var claim in pod.Claims)
                {
                    int holders = 0,
                        before = 0;
                    foreach (var other in pod.Node.Pods)
                    {
                        if (other.From > from || other.End <= from || !other.Claims.Any(theirs => theirs.Uid == claim.Uid))
                            continue;
                        holders++;
                        if (string.CompareOrdinal(other.Uid, pod.Uid) < 0)
                            before++;
                    }
                    holders = Math.Max(1, holders);
                    nano += claim.Share.NanoOf(span.Nano) is { } whole ? whole / holders + (before < whole % holders ? 1 : 0) : null;
                    share = DeviceShare.Sum(share, claim.Share / holders);
                }
                _scratch.Add(new(from, to, nano) { Share = share });
                from = to;
            }
    }

    private void CutLifetime(PodAccount pod, long from, long to, CountedUsage? counted)
    {
        from = Math.Max(from, pod.From);
        to = Math.Min(to, pod.End ?? to);
        foreach (var (away, back) in pod.Node.Absences)
        {
            if (from >= to)
                return;
            if (back <= from)
                continue;
            if (away >= to)
                break;
            if (away > from)
                CutByPrice(pod.Node, from, away, counted);
            if (back is not { } returned)
                return;
            from = Math.Max(from, returned);
        }
        if (from < to)
            CutByPrice(pod.Node, from, to, counted);
    }

    private void CutByPrice(NodeAccount node, long from, long to, CountedUsage? counted = null)
    {
        var index = node.Capacity.Count - 1;
        while (index > 0 && node.Capacity[index].At > from)
            index--;
        while (from < to)
        {
            var (product, capacityType) = (ProductOf(node, index), CapacityTypeOf(node, index));
            var end = to;
            while (index + 1 < node.Capacity.Count && node.Capacity[index + 1].At < to)
            {
                index++;
                if (ProductOf(node, index) == product && (counted?.CapacityType is null || CapacityTypeOf(node, index) == capacityType))
                    continue;
                end = Math.Max(from, node.Capacity[index].At);
                break;
            }
            var counts = counted?.Counts(product, capacityType) != false;
            if (counted is { Unit: not UsageUnit.Cost } || !counts)
            {
                if (end > from)
                    _scratch.Add(new(from, end, counts ? CountedUsage.OnePerGpuHour.NanoPerGpuHour : 0));
            }
            else if (_prices.TryGetValue(product, out var timeline))
                timeline.Cut(_scratch, from, end);
            else if (end > from)
                _scratch.Add(new(from, end, null));
            from = end;
        }
    }

    /// <summary>Returns the node's own product, or the product reported for its pods if unknown.</summary>
    private static string ProductOf(NodeAccount node, int statement) =>
        statement >= 0 && node.Capacity[statement].Product.Length > 0 ? node.Capacity[statement].Product : node.PodsProduct;

    private static string ProductAt(NodeAccount node, long at) => ProductOf(node, StatementAt(node, at));

    private static string CapacityTypeOf(NodeAccount node, int statement) => statement >= 0 ? node.Capacity[statement].CapacityType : "";

    private static string CapacityTypeAt(NodeAccount node, long at) => CapacityTypeOf(node, StatementAt(node, at));

    /// <summary>Returns the index of the statement in force, or the first one; -1 if there is none.</summary>
    private static int StatementAt(NodeAccount node, long at)
    {
        var index = node.Capacity.Count - 1;
        while (index > 0 && node.Capacity[index].At > at)
            index--;
        return index;
    }

    private static bool IsLost(NodeAccount node, long at)
    {
        foreach (var (away, back) in node.Lost)
            if (away <= at && !(back <= at))
                return true;
        return false;
    }

    /// <summary>Returns the number of cards that everything in use needs at least. Parts are summed exactly and rounded up.</summary>
    private static int CardsOf(Dictionary<DeviceShare, (int Reserved, int Unknown)> taken)
    {
        var cards = 0;
        BigInteger parts = 0,
            of = 1;
        foreach (var (share, (held, unknown)) in taken)
        {
            if (share.IsWhole)
                cards += held + unknown;
            else if (share.IsKnown && held + unknown > 0)
                (parts, of) = (parts * share.Of + of * share.Parts * (held + unknown), of * share.Of);
        }
        return cards + (int)((parts + of - 1) / of);
    }

    private static List<(DeviceShare Share, int Reserved, int Unknown)> Edge(
        SortedDictionary<long, List<(DeviceShare Share, int Reserved, int Unknown)>> edges,
        long at
    )
    {
        if (!edges.TryGetValue(at, out var edge))
            edges.Add(at, edge = []);
        return edge;
    }

    private static DateTimeOffset Moment(long at) => DateTimeOffset.FromUnixTimeMilliseconds(at);

    private sealed class Sum(WorkloadClass workClass)
    {
        private Int128 _units;
        private Int128 _reserved;
        private Int128 _unpriced;
        private int _gpus;
        private HourlyCost _rate = HourlyCost.Zero;
        private Int128 _meanUnits;
        private Int128 _meanGpuMs;
        private UsageUnit? _measure;
        private GridIntensity? _intensity;
        private long _to;
        private long _since = long.MaxValue;
        private Int128 _daysUnits;
        private Int128 _daysReserved;
        private long _measured;
        private long _busy;
        private long _energy;
        private long _memory;
        private long _needed;
        private readonly SortedDictionary<string, TokenSums> _tokens = new(StringComparer.Ordinal);

        public void Add(GpuLedger ledger, PodAccount pod, long from, long to, Touched days, CountedUsage? counted)
        {
            var (cost, time, noPrice) = CostOf(ledger, pod, from, to, counted);
            _units += cost;
            _reserved += time;
            _unpriced += noPrice;
            // Most pods lie inside the interval as a whole.
            if (days.From < from && pod.From < from || days.To > to && !(pod.End <= to))
                (cost, time, _) = CostOf(ledger, pod, days.From, days.To, counted);
            _daysUnits += cost;
            _daysReserved += time;
            if (pod.From <= to && !(pod.End <= to) && counted?.Counts(ProductAt(pod.Node, to), CapacityTypeAt(pod.Node, to)) != false)
            {
                _gpus += pod.Gpus;
                if (counted is not { IsMeasured: true } && ledger.RateAt(pod, to, counted) is { } rate)
                    _rate += rate;
            }
            if (counted is { IsMeasured: true })
            {
                ledger.AddMean(pod, counted.Unit, to, ref _meanUnits, ref _meanGpuMs);
                (_measure, _intensity) = (counted.Unit, ledger._measuring.Intensity);
                _to = to;
            }
            _since = Math.Min(_since, pod.From);
            foreach (var day in pod.Days)
            {
                if (day.Day < days.First || day.Day >= days.End)
                    continue;
                _measured += day.MeasuredMs;
                _busy += day.BusyMs;
                _energy += day.EnergyMj;
                _memory += day.MemoryMiBMs;
                _needed = Math.Max(_needed, day.NeededMiB);
                if (day.Tokens is null)
                    continue;
                foreach (var (model, grown) in day.Tokens)
                    _tokens[model] = _tokens.TryGetValue(model, out var sum) ? sum + grown : grown;
            }
        }

        private static (Int128 Units, Int128 Reserved, Int128 Unpriced) CostOf(
            GpuLedger ledger,
            PodAccount pod,
            long from,
            long to,
            CountedUsage? counted
        )
        {
            ledger.SpansOf(pod, from, to, counted);
            Int128 units = 0,
                held = 0,
                unpriced = 0;
            foreach (var span in ledger._scratch)
            {
                var time = (Int128)(span.To - span.From) * pod.Gpus;
                held += span.Share is { IsKnown: true } part ? time * part.Parts / part.Of : time;
                if (span.Nano is { } nano)
                    units += time * nano;
                else
                    unpriced += time;
            }
            if (counted is { IsMeasured: true })
                units = ledger.MeasuredUnits(pod, from, to, counted.Unit);
            return (
                units,
                pod.Claims.Count == 0 && pod.Share is { IsWhole: false, IsKnown: true } share ? held * share.Parts / share.Of : held,
                unpriced
            );
        }

        /// <summary>
        /// Returns the mean use of a GPU per hour, rounded up to a watt, a gram per hour, or a token per hour. CO2e is the mean power at the
        /// given grid intensity. Null: nothing was measured.
        /// </summary>
        private GpuHourPrice? Mean(long? milligrams)
        {
            if (_meanUnits <= 0 || _meanGpuMs <= 0)
                return null;
            var nano = _meanUnits / _meanGpuMs;
            if (_measure == UsageUnit.Co2e)
                nano = nano * (milligrams ?? 0) / 1_000_000;
            long step = _measure == UsageUnit.Tokens ? 1_000_000_000 : 1_000_000;
            return new((long)Int128.Min((nano + step - 1) / step * step, long.MaxValue));
        }

        public WorkloadSpend ToSpend(WorkloadKey key) =>
            new()
            {
                Workload = key,
                Class = workClass,
                Spent = new(_units),
                ReservedGpuMs = _reserved,
                UnpricedGpuMs = _unpriced,
                Gpus = _gpus,
                RatePerHour = Mean(_intensity?.Highest(_to)) is { } mean ? mean * _gpus : _rate,
                MeanRate = Mean(_intensity?.MilligramsInMean),
                Since = Moment(_since),
                Usage = new(_measured, _busy, _energy, _memory, _tokens) { NeededMiB = _needed },
                DaysSpent = new(_daysUnits),
                DaysReservedGpuMs = _daysReserved,
            };
    }
}
