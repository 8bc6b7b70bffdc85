using System.Collections.Immutable;
using Bursar.Core.Usage;

namespace Bursar.Core.Ledger;

/// <summary>The facts of one node: its devices over time, when it was unreachable, and how far its agent's journal was read.</summary>
internal sealed class NodeAccount(string name)
{
    /// <summary>A device count that stands for a node that is not in the cluster. Its devices are not billed to any pod.</summary>
    public const int Gone = -1;

    public string Name { get; } = name;

    public BillShard? Shard { get; set; }

    public List<(long At, int Gpus, string Product, string CapacityType)> Capacity { get; } = [];

    /// <summary>Sorted and disjoint. Only the last may be open.</summary>
    public List<(long From, long? To)> Lost { get; } = [];

    public JournalState Journal { get; set; } = JournalState.Unread;

    public List<PodAccount> Pods { get; } = [];

    /// <summary>
    /// The times without billing to pods: while the node was unreachable or not in the cluster. Sorted and disjoint. Only the last may be
    /// open.
    /// </summary>
    public IReadOnlyList<(long From, long? To)> Absences => _absences ??= MergeAbsences();

    private List<(long From, long? To)>? _absences;
    private bool _areEndsResolved;

    /// <summary>The product reported for its pods, used until the node itself has reported one.</summary>
    public string PodsProduct { get; private set; } = "";

    /// <summary>The revision and journal state offered for writing last. <see cref="Durable"/> is the written state.</summary>
    public (long Revision, JournalState Journal) Offered { get; set; } = (0, JournalState.Unread);

    public JournalState Durable { get; set; } = JournalState.Unread;

    public void Add(PodAccount pod)
    {
        Pods.Add(pod);
        Changed();
        ReadProduct(pod);
    }

    /// <summary>Discards everything derived, after a fact of the node or of one of its pods has changed.</summary>
    public void Changed() => (_absences, _areEndsResolved) = (null, false);

    /// <summary>Returns the number of devices at a time, or null if unknown.</summary>
    public int? CapacityAt(long at) =>
        Capacity.FindLastIndex(statement => statement.At <= at) is >= 0 and var index ? Capacity[index].Gpus : null;

    public bool IsGone(long at) => CapacityAt(at) == Gone;

    /// <summary>
    /// Ends pods whose end was not observed when later pods would need more than the node has. Pods of the newcomer's own workload, which
    /// it replaced, end first, then the oldest. A pod that was seen to run or to end never does.
    /// </summary>
    public void ResolveUnseenEnds()
    {
        if (_areEndsResolved)
            return;
        _areEndsResolved = true;
        foreach (var pod in Pods)
            pod.SupersededAt = null;
        var unseen = Pods.Where(pod => pod.IsEndUnseen).OrderBy(pod => pod.From).ThenBy(pod => pod.Uid, StringComparer.Ordinal).ToList();
        if (unseen.Count == 0)
            return;
        var from = unseen.Min(pod => pod.AliveAt!.Value);
        var others = Pods.Where(pod => !(pod.Bound <= from)).ToList();
        foreach (
            var at in others
                .Select(pod => pod.From)
                .Concat(Capacity.Select(statement => statement.At))
                .Where(at => at >= from)
                .Distinct()
                .Order()
        )
        {
            if (CapacityAt(at) is not { } capacity)
                continue;
            var holding = others.Where(pod => pod.From <= at && !((pod.SupersededAt ?? pod.Bound) <= at)).ToList();
            var newWorkloads = holding.Where(pod => pod.From == at).Select(pod => pod.Workload).ToHashSet();
            foreach (
                var pod in unseen
                    .Where(pod => pod.From < at && pod.AliveAt <= at && holding.Contains(pod))
                    .OrderByDescending(pod => newWorkloads.Contains(pod.Workload))
            )
            {
                if (CardsOf(holding) <= Math.Max(0, capacity))
                    break;
                pod.SupersededAt = at;
                holding.Remove(pod);
            }
        }
    }

    /// <summary>
    /// Returns the number of cards that the pods need at least. Parts are summed exactly and rounded up. Unknown parts need none.
    /// </summary>
    private static int CardsOf(IEnumerable<PodAccount> holding)
    {
        var sum = new DeviceShare(0, 1);
        var cards = 0;
        var claims = new HashSet<string>(StringComparer.Ordinal);
        foreach (var pod in holding)
        {
            foreach (var claim in pod.Claims)
                if (claims.Add(claim.Uid) && DeviceShare.Sum(sum, claim.Share) is { IsKnown: true } all)
                    sum = all;
            if (pod.Share.IsWhole)
                cards += pod.Gpus;
            else if (DeviceShare.Sum(sum, pod.Share * pod.Gpus) is { IsKnown: true } more)
                sum = more;
        }
        return cards + (sum.Parts + sum.Of - 1) / sum.Of;
    }

    private List<(long From, long? To)> MergeAbsences()
    {
        var spans = new List<(long From, long? To)>(Lost);
        for (var i = 0; i < Capacity.Count; i++)
            if (Capacity[i].Gpus == Gone)
                spans.Add((Capacity[i].At, i + 1 < Capacity.Count ? Capacity[i + 1].At : null));
        spans.Sort((left, right) => left.From.CompareTo(right.From));
        var merged = new List<(long From, long? To)>();
        foreach (var span in spans)
        {
            if (merged.Count > 0 && !(merged[^1].To < span.From))
                merged[^1] = (merged[^1].From, merged[^1].To is { } end && span.To is { } other ? Math.Max(end, other) : null);
            else
                merged.Add(span);
        }
        return merged;
    }

    /// <summary>Recomputes the product from the pods, after one has changed or left.</summary>
    public void ReadProducts()
    {
        PodsProduct = "";
        foreach (var pod in Pods)
            ReadProduct(pod);
    }

    private void ReadProduct(PodAccount pod)
    {
        // The smallest of several, so that the order of observations does not matter.
        if (pod.Product.Length > 0 && pod.Share.IsKnown && (PodsProduct.Length == 0 || string.CompareOrdinal(pod.Product, PodsProduct) < 0))
            PodsProduct = pod.Product;
    }

    /// <param name="product">The product; empty if unknown.</param>
    /// <param name="capacityType">The capacity type; empty if unknown.</param>
    public bool SetCapacity(long at, int gpus, string product, string capacityType)
    {
        var index = Capacity.FindLastIndex(statement => statement.At <= at);
        // A node that loses its product label (while its discovery pod restarts) keeps its product.
        if (product.Length == 0)
            product = Capacity.Count == 0 ? "" : Capacity[Math.Max(index, 0)].Product;
        if (capacityType.Length == 0)
            capacityType = Capacity.Count == 0 ? "" : Capacity[Math.Max(index, 0)].CapacityType;
        // An earlier version did not record the capacity type, which a node keeps.
        var filled = false;
        for (var i = 0; i < Capacity.Count && capacityType.Length > 0; i++)
            if (Capacity[i].CapacityType.Length == 0)
                (Capacity[i], filled) = (Capacity[i] with { CapacityType = capacityType }, true);
        var statement = (at, gpus, product, capacityType);
        if (index >= 0 && Capacity[index] with { At = at } == statement)
        {
            if (filled)
                Changed();
            return filled;
        }
        if (index >= 0 && Capacity[index].At == at)
            Capacity[index] = statement;
        else if (index < 0 && Capacity.Count > 0 && Capacity[0] with { At = at } == statement)
            Capacity[0] = statement;
        else
            Capacity.Insert(index + 1, statement);
        // The node was the same machine before it had its label.
        for (var i = 0; i < Capacity.Count && Capacity[i].Product.Length == 0; i++)
            Capacity[i] = Capacity[i] with { Product = product };
        Changed();
        return true;
    }

    public bool MarkLost(long lastHeartbeat)
    {
        Changed();
        if (Lost.Count > 0)
        {
            var last = Lost[^1];
            if (last.To is null)
            {
                // Still unreachable, but with a later heartbeat than known.
                if (lastHeartbeat <= last.From)
                    return false;
                Lost[^1] = (lastHeartbeat, null);
                return true;
            }
            if (lastHeartbeat < last.To)
                return false;
        }
        Lost.Add((lastHeartbeat, null));
        return true;
    }

    /// <summary>Deletes the facts before a time that do not affect the time after it. Returns whether there were any.</summary>
    public bool Forget(long before)
    {
        Changed();
        var inForce = Capacity.FindLastIndex(statement => statement.At <= before);
        if (inForce > 0)
            Capacity.RemoveRange(0, inForce);
        return Lost.RemoveAll(loss => loss.To <= before) > 0 | inForce > 0;
    }

    public bool MarkBack(long at)
    {
        Changed();
        if (Lost.Count == 0 || Lost[^1].To is not null)
            return false;
        var from = Lost[^1].From;
        if (at < from)
            return false; // an old return, reported again
        if (at == from)
            Lost.RemoveAt(Lost.Count - 1);
        else
            Lost[^1] = (from, at);
        return true;
    }
}

/// <summary>
/// How far a node's journal was read, and the device time on the way that belongs to no pod. One value, because it must be stored as one.
/// </summary>
internal sealed record JournalState(
    JournalCursor? Cursor,
    ImmutableArray<string> PastEpochs,
    ImmutableSortedDictionary<string, long> UnattributedMs
)
{
    public static readonly JournalState Unread = new(null, [], ImmutableSortedDictionary.Create<string, long>(StringComparer.Ordinal));

    /// <summary>The number of former epochs that are remembered, so that a late answer from one is not taken as new.</summary>
    private const int RememberedEpochs = 4;

    public JournalState At(JournalCursor cursor)
    {
        if (Cursor is null || Cursor.Epoch == cursor.Epoch)
            return this with { Cursor = cursor };
        var past = PastEpochs.Length < RememberedEpochs ? PastEpochs : PastEpochs.RemoveAt(0);
        return this with { Cursor = cursor, PastEpochs = past.Add(Cursor.Epoch) };
    }

    public JournalState Unattributed(string reason, long milliseconds) =>
        this with
        {
            UnattributedMs = UnattributedMs.SetItem(reason, UnattributedMs.GetValueOrDefault(reason) + milliseconds),
        };
}
