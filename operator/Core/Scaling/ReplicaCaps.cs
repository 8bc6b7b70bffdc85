using Bursar.Core.Decisions;
using Bursar.Core.Money;
using Bursar.Core.Text;

namespace Bursar.Core.Scaling;

/// <summary>One scaler among those that share a purse.</summary>
public sealed record CapRequest(string Key, ScalerSnapshot Scaler, ScalerDemand Demand);

/// <summary>Makes caps of money: of a scaler's own costCap, and of a budget's room divided among its scalers.</summary>
public static class ReplicaCaps
{
    public const string CostCap = "costCap";

    /// <summary>Null where it has none.</summary>
    public static ReplicaCap? OfCostCap(ScalerSnapshot scaler)
    {
        if (scaler.Terms.CostCap is not { } most)
            return null;
        if (scaler.Prices.Within(most, Math.Max(scaler.Terms.Max, scaler.Replicas)) is not { } replicas)
            return Keep(CostCap, scaler, "the price of a replica is unknown, so none is added");
        return new(CostCap, replicas, replicas, most, $"costCap is {most} {scaler.Currency}/h, {Each(scaler)}");
    }

    /// <summary>No more than there are: where the purse cannot be looked into, nothing is added and nothing is taken.</summary>
    public static ReplicaCap Keep(string purse, ScalerSnapshot scaler, string why)
    {
        var replicas = Math.Max(scaler.Replicas, scaler.Terms.Min);
        return new(purse, replicas, replicas, null, why);
    }

    /// <summary>
    /// What a budget's room carries for each of its scalers. Nobody is let grow on money that another one still holds above what it may
    /// have: so together they never cost more than the room, whatever is written first.
    /// </summary>
    public static IReadOnlyDictionary<string, ReplicaCap> OfBudget(string budget, AffordableRate room, IReadOnlyList<CapRequest> askers)
    {
        var caps = new Dictionary<string, ReplicaCap>(StringComparer.Ordinal);
        ShareRequest ClaimOf(CapRequest asker, int least) =>
            new()
            {
                Key = asker.Key,
                Weight = asker.Scaler.Terms.Weight,
                MinimumReplicas = asker.Scaler.Terms.Min,
                // What nobody knows the price of is neither started nor stopped.
                Least = asker.Scaler.Prices.Of(Math.Max(asker.Scaler.Replicas, asker.Scaler.Terms.Min) + 1) is null
                    ? asker.Scaler.Replicas
                    : least,
                Wanted = asker.Demand.Wanted,
                Has = asker.Scaler.Replicas,
                Max = asker.Scaler.Terms.Max,
                Prices = asker.Scaler.Prices,
            };
        var fair = FairShareAllocator.Divide(room.PerHour, [.. askers.Select(asker => ClaimOf(asker, 0))]);
        var held = askers.Select((asker, i) => asker.Scaler.Replicas > fair[i].Replicas ? asker.Scaler.Replicas : 0).ToArray();
        var now = held.All(replicas => replicas == 0)
            ? fair
            : FairShareAllocator.Divide(room.PerHour, [.. askers.Select((asker, i) => ClaimOf(asker, held[i]))]);
        for (var i = 0; i < askers.Count; i++)
        {
            var scaler = askers[i].Scaler;
            var unknown = scaler.Prices.Of(fair[i].Affordable + 1) is null && fair[i].Affordable < scaler.Terms.Max;
            var among = askers.Count == 1 ? "" : $", shared with {askers.Count - 1} other scaler{(askers.Count == 2 ? "" : "s")}";
            caps[askers[i].Key] = new(
                budget,
                fair[i].Affordable,
                now[i].Affordable,
                fair[i].PerHour,
                unknown ? "the price of a replica is unknown, so none is added"
                    : room.Free <= Amount.Zero ? $"budget {budget} has no budget left beyond the minimum replicas"
                    : $"budget {budget} has {room.Free.ToShortString()} {scaler.Currency} for replicas above the minimum, {room.PerHour}/h over the {GoDuration.Format(Rounded(room.Until))} to its window's end{among}, {Each(scaler)}"
            );
        }
        return caps;
    }

    private static string Each(ScalerSnapshot scaler) =>
        scaler.Prices is { Live: > 0 } prices ? $"a replica costs {prices.Of(1)}"
        : scaler.Prices.Next is { } next ? $"a replica costs {next}"
        : "a replica's price is not known";

    private static TimeSpan Rounded(TimeSpan time) =>
        time >= TimeSpan.FromHours(1)
            ? TimeSpan.FromMinutes(Math.Floor(time.TotalMinutes))
            : TimeSpan.FromSeconds(Math.Floor(time.TotalSeconds));
}
