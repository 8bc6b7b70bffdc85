using Bursar.Core.Money;

namespace Bursar.Core.Scaling;

/// <summary>What one scaler asks of a budget's room.</summary>
public sealed record RoomClaim
{
    /// <summary>Names it among the others; of equal claims the first in its order goes first.</summary>
    public required string Key { get; init; }

    public int Weight { get; init; } = 1;

    /// <summary>Kept and paid for apart: not of the room.</summary>
    public required int Floor { get; init; }

    /// <summary>What it cannot be brought below at this moment, for it has not been yet.</summary>
    public int Least { get; init; }

    public required int Wanted { get; init; }

    /// <summary>As far as it may ever go.</summary>
    public required int Max { get; init; }

    public required ReplicaPrices Prices { get; init; }
}

/// <summary>What a scaler may have.</summary>
/// <param name="Key">Whose.</param>
/// <param name="Replicas">No more than it wants.</param>
/// <param name="Affordable">What it could have if it wanted all that is left.</param>
/// <param name="PerHour">What the affordable ones cost together; null where that is not known.</param>
public sealed record RoomGrant(string Key, int Replicas, int Affordable, Rate? PerHour);

/// <summary>
/// Divides what a budget has for scaling among its scalers: replica by replica, each to the one that has least of it by weight, as long as
/// that replica's price fits what is left. So nobody gets more than he wants, what one does not want goes to the others, and
/// together they never cost more than the room (Bertsekas, Gallager: Data Networks, 6.5.2, max-min fair shares, here weighted and of whole replicas).
/// </summary>
public static class RoomShare
{
    public static IReadOnlyList<RoomGrant> Divide(Rate room, IReadOnlyList<RoomClaim> claims)
    {
        var left = room.NanoPerGpuHour;
        var had = new int[claims.Count];
        var queue = new PriorityQueue<int, (decimal Share, string Key)>(Comparer<(decimal Share, string Key)>.Create((one, other) =>
            one.Share != other.Share ? one.Share.CompareTo(other.Share) : string.CompareOrdinal(one.Key, other.Key)));
        for (var i = 0; i < claims.Count; i++)
        {
            had[i] = Math.Max(claims[i].Floor, claims[i].Least);
            if (AboveFloor(claims[i], had[i]) is { } cost) left -= cost;
            Ask(i);
        }
        while (queue.TryDequeue(out var next, out _))
        {
            // One whose price nobody knows is not started: it could cost anything.
            if (Step(claims[next], had[next]) is not { } price || price > left) continue;
            left -= price;
            had[next]++;
            Ask(next);
        }
        var grants = new RoomGrant[claims.Count];
        for (var i = 0; i < claims.Count; i++)
        {
            var (claim, most) = (claims[i], had[i]);
            if (left > 0 && claim.Prices.Of(most) is { } cost && claim.Prices.Within(cost + new Rate(left), Math.Max(most, claim.Max)) is { } within) most = Math.Max(most, within);
            grants[i] = new(claim.Key, had[i], most, claim.Prices.Of(most));
        }
        return grants;

        void Ask(int i)
        {
            if (had[i] < claims[i].Wanted) queue.Enqueue(i, ((AboveFloor(claims[i], had[i] + 1) ?? 0) / (decimal)Math.Max(1, claims[i].Weight), claims[i].Key));
        }
    }

    private static long? AboveFloor(RoomClaim claim, int replicas) =>
        claim.Prices.Of(replicas) is { } all && claim.Prices.Of(claim.Floor) is { } floor ? Math.Max(0, all.NanoPerGpuHour - floor.NanoPerGpuHour) : null;

    private static long? Step(RoomClaim claim, int replicas) =>
        AboveFloor(claim, replicas + 1) is { } next && AboveFloor(claim, replicas) is { } now ? next - now : null;
}
