using Bursar.Core.Money;

namespace Bursar.Core.Scaling;

/// <summary>The request of one scaler for a share of a budget's affordable rate.</summary>
public sealed record ShareRequest
{
    /// <summary>Identifies the scaler. Of equal requests the first by ordinal order is served first.</summary>
    public required string Key { get; init; }

    public int Weight { get; init; } = 1;

    /// <summary>Replicas that are always kept and not part of the shared rate.</summary>
    public required int MinimumReplicas { get; init; }

    /// <summary>The replicas that it still has and that count until they are removed.</summary>
    public int Least { get; init; }

    public required int Wanted { get; init; }

    /// <summary>The present replicas. Of two almost equally fair divisions, the one that removes nothing is chosen.</summary>
    public int Has { get; init; }

    /// <summary>The maximum of the scaler.</summary>
    public required int Max { get; init; }

    public required ReplicaPrices Prices { get; init; }
}

/// <summary>The share of one scaler.</summary>
/// <param name="Replicas">The replicas that it gets, at most those it wants.</param>
/// <param name="Affordable">The replicas that it could have if it wanted everything that is left.</param>
/// <param name="PerHour">The cost of the affordable replicas together. Null: unknown.</param>
public sealed record Share(string Key, int Replicas, int Affordable, HourlyCost? PerHour);

/// <summary>
/// Divides a budget's affordable rate among its scalers, replica by replica. Each goes to the scaler with the least weighted share whose
/// replica still fits. So no scaler gets more than it wants, unwanted parts go to the others, and the total never exceeds the rate (max-min
/// fairness: Bertsekas, Gallager: Data Networks, 6.5.2, here weighted and for whole replicas).
/// </summary>
public static class FairShareAllocator
{
    public static IReadOnlyList<Share> Divide(HourlyCost rate, IReadOnlyList<ShareRequest> requests)
    {
        var shares = Fill(rate.NanoPerHour, requests, keep: false);
        if (requests.Any(request => request.Has > 0))
        {
            // A small change of the rate may reverse the order, and restarting a replica costs more than that is worth.
            var kept = Fill(rate.NanoPerHour, requests, keep: true);
            if (IsFairEnough(requests, kept.Replicas, shares.Replicas))
                shares = kept;
        }
        var granted = new Share[requests.Count];
        for (var i = 0; i < requests.Count; i++)
        {
            var (request, most) = (requests[i], shares.Replicas[i]);
            if (
                shares.Left > 0
                && request.Prices.RateOf(most) is { } cost
                && request.Prices.Within(cost + new HourlyCost(shares.Left), Math.Max(most, request.Max)) is { } within
            )
                most = Math.Max(most, within);
            granted[i] = new(request.Key, shares.Replicas[i], most, request.Prices.RateOf(most));
        }
        return granted;
    }

    /// <summary>
    /// Whether the division that keeps replicas is fair enough. No scaler may lack more than the price of two replicas. No scaler may stay
    /// at its minimum if a replica would fit in what others have beyond its new share.
    /// </summary>
    private static bool IsFairEnough(IReadOnlyList<ShareRequest> requests, int[] kept, int[] fair)
    {
        var all = Enumerable.Range(0, requests.Count).ToArray();
        var lacking = all.Where(i => kept[i] < fair[i]).ToArray();
        var mostExpensive = all.Max(i =>
            Math.Max(Step(requests[i], fair[i]) ?? 0, Step(requests[i], Math.Max(requests[i].MinimumReplicas, fair[i] - 1)) ?? 0)
        );
        if (
            lacking.Any(i =>
                (AboveMinimumReplicas(requests[i], fair[i]) ?? 0) - (AboveMinimumReplicas(requests[i], kept[i]) ?? 0) > 2 * mostExpensive
            )
        )
            return false;
        return !lacking.Any(i =>
            AboveMinimumReplicas(requests[i], kept[i]) is null or 0
            && Step(requests[i], kept[i])
                <= all.Where(j => kept[j] > fair[j]).Sum(j => CostBeyond(requests[j], kept[j], Share(requests[i], kept[i] + 1)))
        );
    }

    /// <summary>Returns the cost of the replicas beyond the given share.</summary>
    private static long CostBeyond(ShareRequest request, int replicas, decimal share)
    {
        var within = replicas;
        while (within > Math.Max(request.MinimumReplicas, request.Least) && Share(request, within) > share)
            within--;
        return (AboveMinimumReplicas(request, replicas) ?? 0) - (AboveMinimumReplicas(request, within) ?? 0);
    }

    /// <param name="rate">The affordable rate, in nano-currency per hour.</param>
    /// <param name="requests">The requests.</param>
    /// <param name="keep">Whether existing replicas are served before new ones.</param>
    private static (int[] Replicas, long Left) Fill(long rate, IReadOnlyList<ShareRequest> requests, bool keep)
    {
        var left = rate;
        var had = new int[requests.Count];
        var queue = new PriorityQueue<int, (bool IsNew, decimal Share, string Key)>(
            Comparer<(bool IsNew, decimal Share, string Key)>.Create(
                (first, second) =>
                    first.IsNew != second.IsNew ? first.IsNew.CompareTo(second.IsNew)
                    : first.Share != second.Share ? first.Share.CompareTo(second.Share)
                    : string.CompareOrdinal(first.Key, second.Key)
            )
        );
        for (var i = 0; i < requests.Count; i++)
        {
            had[i] = Math.Max(requests[i].MinimumReplicas, requests[i].Least);
            if (AboveMinimumReplicas(requests[i], had[i]) is { } cost)
                left -= cost;
            Enqueue(i);
        }
        while (queue.TryDequeue(out var next, out _))
        {
            // A replica without a known price is not started, because it could cost anything.
            if (Step(requests[next], had[next]) is not { } price || price > left)
                continue;
            left -= price;
            had[next]++;
            Enqueue(next);
        }
        return (had, left);

        void Enqueue(int i)
        {
            if (had[i] < requests[i].Wanted)
                queue.Enqueue(i, (!keep || had[i] >= requests[i].Has, Share(requests[i], had[i] + 1), requests[i].Key));
        }
    }

    /// <summary>Returns the weighted share of so many replicas.</summary>
    private static decimal Share(ShareRequest request, int replicas) =>
        (AboveMinimumReplicas(request, replicas) ?? 0) / (decimal)Math.Max(1, request.Weight);

    private static long? AboveMinimumReplicas(ShareRequest request, int replicas) =>
        request.Prices.RateOf(replicas) is { } all && request.Prices.RateOf(request.MinimumReplicas) is { } minimum
            ? Math.Max(0, all.NanoPerHour - minimum.NanoPerHour)
            : null;

    private static long? Step(ShareRequest request, int replicas) =>
        AboveMinimumReplicas(request, replicas + 1) is { } next && AboveMinimumReplicas(request, replicas) is { } now ? next - now : null;
}
