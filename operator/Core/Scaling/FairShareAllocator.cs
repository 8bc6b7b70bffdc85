using Bursar.Core.Money;

namespace Bursar.Core.Scaling;

/// <summary>What one scaler asks of a budget's room.</summary>
public sealed record ShareRequest
{
    /// <summary>Names it among the others; of equal claims the first in its order goes first.</summary>
    public required string Key { get; init; }

    public int Weight { get; init; } = 1;

    /// <summary>Kept and paid for apart: not of the room.</summary>
    public required int MinimumReplicas { get; init; }

    /// <summary>What it cannot be brought below at this moment, for it has not been yet.</summary>
    public int Least { get; init; }

    public required int Wanted { get; init; }

    /// <summary>What it has now; of two ways to share nearly as fair as each other, the one that takes nothing away is taken.</summary>
    public int Has { get; init; }

    /// <summary>As far as it may ever go.</summary>
    public required int Max { get; init; }

    public required ReplicaPrices Prices { get; init; }
}

/// <summary>What a scaler may have.</summary>
/// <param name="Key">Whose.</param>
/// <param name="Replicas">No more than it wants.</param>
/// <param name="Affordable">What it could have if it wanted all that is left.</param>
/// <param name="PerHour">What the affordable ones cost together; null where that is not known.</param>
public sealed record Share(string Key, int Replicas, int Affordable, HourlyCost? PerHour);

/// <summary>
/// Divides what a budget has for scaling among its scalers: replica by replica, each to the one that has least of it by weight, as long as
/// that replica's price fits what is left. So nobody gets more than he wants, what one does not want goes to the others, and
/// together they never cost more than the room (Bertsekas, Gallager: Data Networks, 6.5.2, max-min fair shares, here weighted and of whole
/// replicas).
/// </summary>
public static class FairShareAllocator
{
    public static IReadOnlyList<Share> Divide(HourlyCost room, IReadOnlyList<ShareRequest> claims)
    {
        var shares = Fill(room.NanoPerHour, claims, keep: false);
        if (claims.Any(claim => claim.Has > 0))
        {
            // A little more or less of the room may turn the order over, and a replica that is started again costs more than it is worth.
            var kept = Fill(room.NanoPerHour, claims, keep: true);
            if (IsFairEnough(claims, kept.Replicas, shares.Replicas))
                shares = kept;
        }
        var grants = new Share[claims.Count];
        for (var i = 0; i < claims.Count; i++)
        {
            var (claim, most) = (claims[i], shares.Replicas[i]);
            if (
                shares.Left > 0
                && claim.Prices.Of(most) is { } cost
                && claim.Prices.Within(cost + new HourlyCost(shares.Left), Math.Max(most, claim.Max)) is { } within
            )
                most = Math.Max(most, within);
            grants[i] = new(claim.Key, shares.Replicas[i], most, claim.Prices.Of(most));
        }
        return grants;
    }

    /// <summary>
    /// Nobody lacks more than two replicas' price, and nobody is left at his floor who could have a replica for what others hold beyond
    /// what it would then have. A division made afresh never leaves anyone so: whoever found too little left found it before they took
    /// theirs.
    /// </summary>
    private static bool IsFairEnough(IReadOnlyList<ShareRequest> claims, int[] kept, int[] fair)
    {
        var all = Enumerable.Range(0, claims.Count).ToArray();
        var lacking = all.Where(i => kept[i] < fair[i]).ToArray();
        var dearest = all.Max(i =>
            Math.Max(Step(claims[i], fair[i]) ?? 0, Step(claims[i], Math.Max(claims[i].MinimumReplicas, fair[i] - 1)) ?? 0)
        );
        if (
            lacking.Any(i =>
                (AboveMinimumReplicas(claims[i], fair[i]) ?? 0) - (AboveMinimumReplicas(claims[i], kept[i]) ?? 0) > 2 * dearest
            )
        )
            return false;
        return !lacking.Any(i =>
            AboveMinimumReplicas(claims[i], kept[i]) is null or 0
            && Step(claims[i], kept[i])
                <= all.Where(j => kept[j] > fair[j]).Sum(j => Beyond(claims[j], kept[j], Share(claims[i], kept[i] + 1)))
        );
    }

    /// <summary>What it holds that is more than such a share.</summary>
    private static long Beyond(ShareRequest claim, int replicas, decimal share)
    {
        var within = replicas;
        while (within > Math.Max(claim.MinimumReplicas, claim.Least) && Share(claim, within) > share)
            within--;
        return (AboveMinimumReplicas(claim, replicas) ?? 0) - (AboveMinimumReplicas(claim, within) ?? 0);
    }

    /// <param name="room">What there is to fill.</param>
    /// <param name="claims">Who asks.</param>
    /// <param name="keep">Whether replicas that are there go before those that are not, whoever's turn it is.</param>
    private static (int[] Replicas, long Left) Fill(long room, IReadOnlyList<ShareRequest> claims, bool keep)
    {
        var left = room;
        var had = new int[claims.Count];
        var queue = new PriorityQueue<int, (bool IsNew, decimal Share, string Key)>(
            Comparer<(bool IsNew, decimal Share, string Key)>.Create(
                (one, other) =>
                    one.IsNew != other.IsNew ? one.IsNew.CompareTo(other.IsNew)
                    : one.Share != other.Share ? one.Share.CompareTo(other.Share)
                    : string.CompareOrdinal(one.Key, other.Key)
            )
        );
        for (var i = 0; i < claims.Count; i++)
        {
            had[i] = Math.Max(claims[i].MinimumReplicas, claims[i].Least);
            if (AboveMinimumReplicas(claims[i], had[i]) is { } cost)
                left -= cost;
            Ask(i);
        }
        while (queue.TryDequeue(out var next, out _))
        {
            // One whose price nobody knows is not started: it could cost anything.
            if (Step(claims[next], had[next]) is not { } price || price > left)
                continue;
            left -= price;
            had[next]++;
            Ask(next);
        }
        return (had, left);

        void Ask(int i)
        {
            if (had[i] < claims[i].Wanted)
                queue.Enqueue(i, (!keep || had[i] >= claims[i].Has, Share(claims[i], had[i] + 1), claims[i].Key));
        }
    }

    /// <summary>How much of the room so many take, by weight.</summary>
    private static decimal Share(ShareRequest claim, int replicas) =>
        (AboveMinimumReplicas(claim, replicas) ?? 0) / (decimal)Math.Max(1, claim.Weight);

    private static long? AboveMinimumReplicas(ShareRequest claim, int replicas) =>
        claim.Prices.Of(replicas) is { } all && claim.Prices.Of(claim.MinimumReplicas) is { } floor
            ? Math.Max(0, all.NanoPerHour - floor.NanoPerHour)
            : null;

    private static long? Step(ShareRequest claim, int replicas) =>
        AboveMinimumReplicas(claim, replicas + 1) is { } next && AboveMinimumReplicas(claim, replicas) is { } now ? next - now : null;
}
