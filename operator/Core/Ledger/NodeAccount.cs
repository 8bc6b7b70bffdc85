using System.Collections.Immutable;
using Bursar.Core.Usage;

namespace Bursar.Core.Ledger;

/// <summary>What is known of one node: its devices over time, when it was lost, how far its agent's journal is read.</summary>
internal sealed class NodeAccount(string name)
{
    /// <summary>
    /// In the place of a number of devices: the cluster has no such node. None of its devices is billed, whoever is said to hold them.
    /// </summary>
    public const int Gone = -1;

    public string Name { get; } = name;

    public BillShard? Shard { get; set; }

    public List<(long At, int Gpus, string Product)> Capacity { get; } = [];

    /// <summary>Sorted, disjoint; only the last may be open.</summary>
    public List<(long From, long? To)> Lost { get; } = [];

    public JournalState Journal { get; set; } = JournalState.Unread;

    public List<PodAccount> Pods { get; } = [];

    /// <summary>
    /// When nothing of it is billed to pods: while it was lost, and while the cluster had no such node. Sorted, disjoint; only the last may
    /// be open.
    /// </summary>
    public IReadOnlyList<(long From, long? To)> Away => _away ??= FindAway();

    private List<(long From, long? To)>? _away;
    private bool _areEndsResolved;

    /// <summary>What its pods were said to run on, for as long as the node itself has not told.</summary>
    public string PodsProduct { get; private set; } = "";

    /// <summary>What was offered for writing last, and what of it is known to be written.</summary>
    public (long Revision, JournalState Journal) Offered { get; set; } = (0, JournalState.Unread);

    public JournalState Durable { get; set; } = JournalState.Unread;

    public void Add(PodAccount pod)
    {
        Pods.Add(pod);
        Changed();
        ReadProduct(pod);
    }

    /// <summary>A fact of the node or of one of its pods is another one: what was derived from them is derived anew.</summary>
    public void Changed() => (_away, _areEndsResolved) = (null, false);

    /// <summary>What the node had at a moment; null while that is not known.</summary>
    public int? CapacityAt(long at) =>
        Capacity.FindLastIndex(statement => statement.At <= at) is >= 0 and var index ? Capacity[index].Gpus : null;

    public bool IsGone(long at) => CapacityAt(at) == Gone;

    /// <summary>
    /// Lets pods whose end was not seen yield to pods that came later, where all of them together would hold more than the node has. First
    /// yields a pod of the newcomer's own workload, which it has replaced, then the oldest. A pod that was seen to run, or to end, never
    /// yields.
    /// </summary>
    public void ResolveUnseenEnds()
    {
        if (_areEndsResolved)
            return;
        _areEndsResolved = true;
        foreach (var pod in Pods)
            pod.YieldsAt = null;
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
            var holding = others.Where(pod => pod.From <= at && !((pod.YieldsAt ?? pod.Bound) <= at)).ToList();
            var comers = holding.Where(pod => pod.From == at).Select(pod => pod.Workload).ToHashSet();
            foreach (
                var pod in unseen
                    .Where(pod => pod.From < at && pod.AliveAt <= at && holding.Contains(pod))
                    .OrderByDescending(pod => comers.Contains(pod.Workload))
            )
            {
                if (CardsOf(holding) <= Math.Max(0, capacity))
                    break;
                pod.YieldsAt = at;
                holding.Remove(pod);
            }
        }
    }

    /// <summary>The cards that pods need at least: parts are summed exactly, and rounded up. Parts that are not known need none.</summary>
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

    private List<(long From, long? To)> FindAway()
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

    /// <summary>Reads again what its pods say, after one has changed its mind or left.</summary>
    public void ReadProducts()
    {
        PodsProduct = "";
        foreach (var pod in Pods)
            ReadProduct(pod);
    }

    private void ReadProduct(PodAccount pod)
    {
        // The least of several, so that the order in which pods were seen does not matter.
        if (pod.Product.Length > 0 && pod.Share.IsKnown && (PodsProduct.Length == 0 || string.CompareOrdinal(pod.Product, PodsProduct) < 0))
            PodsProduct = pod.Product;
    }

    public bool State(long at, int gpus, string product)
    {
        var index = Capacity.FindLastIndex(statement => statement.At <= at);
        // A node that loses its product label (a restarting discovery pod) keeps its product.
        if (product.Length == 0)
            product = Capacity.Count == 0 ? "" : Capacity[Math.Max(index, 0)].Product;
        if (index >= 0 && Capacity[index].Gpus == gpus && Capacity[index].Product == product)
            return false;
        if (index >= 0 && Capacity[index].At == at)
            Capacity[index] = (at, gpus, product);
        else if (index < 0 && Capacity.Count > 0 && Capacity[0].Gpus == gpus && Capacity[0].Product == product)
            Capacity[0] = (at, gpus, product);
        else
            Capacity.Insert(index + 1, (at, gpus, product));
        // Before its label came, the node was the same machine.
        for (var i = 0; i < Capacity.Count && Capacity[i].Product.Length == 0; i++)
            Capacity[i] = Capacity[i] with { Product = product };
        Changed();
        return true;
    }

    public bool Lose(long lastProof)
    {
        Changed();
        if (Lost.Count > 0)
        {
            var last = Lost[^1];
            if (last.To is null)
            {
                // Still away, but it was alive later than was known.
                if (lastProof <= last.From)
                    return false;
                Lost[^1] = (lastProof, null);
                return true;
            }
            if (lastProof < last.To)
                return false;
        }
        Lost.Add((lastProof, null));
        return true;
    }

    /// <summary>Forgets what was before a moment and says nothing of the time after it.</summary>
    public bool Forget(long before)
    {
        Changed();
        var inForce = Capacity.FindLastIndex(statement => statement.At <= before);
        if (inForce > 0)
            Capacity.RemoveRange(0, inForce);
        return Lost.RemoveAll(loss => loss.To <= before) > 0 | inForce > 0;
    }

    public bool Return(long at)
    {
        Changed();
        if (Lost.Count == 0 || Lost[^1].To is not null)
            return false;
        var from = Lost[^1].From;
        if (at < from)
            return false; // an old return, told again
        if (at == from)
            Lost.RemoveAt(Lost.Count - 1);
        else
            Lost[^1] = (from, at);
        return true;
    }
}

/// <summary>
/// How far a node's journal is read, and what was counted on the way that belongs to no pod: one value, for it must be stored as one.
/// </summary>
internal sealed record JournalState(
    JournalCursor? Cursor,
    ImmutableArray<string> PastEpochs,
    ImmutableSortedDictionary<string, long> UnattributedMs
)
{
    public static readonly JournalState Unread = new(null, [], ImmutableSortedDictionary.Create<string, long>(StringComparer.Ordinal));

    /// <summary>Epochs a journal has left behind, so that a late answer from one cannot be taken for news.</summary>
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
