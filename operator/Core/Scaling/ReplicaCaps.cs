using Bursar.Core.Decisions;
using Bursar.Core.Money;
using Bursar.Core.Text;

namespace Bursar.Core.Scaling;

/// <summary>One scaler among those that share a budget.</summary>
public sealed record CapRequest(string Key, ScalerSnapshot Scaler, ScalerDemand Demand);

/// <summary>
/// Computes replica caps from costs: from a scaler's own costCap, and from a budget's affordable rate, divided among its scalers.
/// </summary>
public static class ReplicaCaps
{
    public const string CostCap = "costCap";

    /// <summary>Returns null if it has no costCap.</summary>
    public static ReplicaCap? OfCostCap(ScalerSnapshot scaler)
    {
        if (scaler.Terms.CostCap is not { } most)
            return null;
        if (scaler.Prices.Within(most, Math.Max(scaler.Terms.Max, scaler.Replicas)) is not { } replicas)
            return Keep(CostCap, scaler, "the price of a replica is unknown, so none is added");
        return new(CostCap, replicas, replicas, most, $"costCap is {most} {scaler.Currency}/h, {Each(scaler)}");
    }

    /// <summary>Caps a scaler at its present replicas, because the source of the cap is unknown.</summary>
    public static ReplicaCap Keep(string source, ScalerSnapshot scaler, string why)
    {
        var replicas = Math.Max(scaler.Replicas, scaler.Terms.Min);
        return new(source, replicas, replicas, null, why);
    }

    /// <summary>
    /// Computes the caps from a budget's affordable rate. No scaler grows on a part that another one still uses beyond its share, so the
    /// total never exceeds the rate, in whatever order the writes happen.
    /// </summary>
    public static IReadOnlyDictionary<string, ReplicaCap> OfBudget(
        string budget,
        AffordableRate affordable,
        IReadOnlyList<CapRequest> requests
    )
    {
        var caps = new Dictionary<string, ReplicaCap>(StringComparer.Ordinal);
        ShareRequest ShareRequestOf(CapRequest request, int least) =>
            new()
            {
                Key = request.Key,
                Weight = request.Scaler.Terms.Weight,
                MinimumReplicas = request.Scaler.Terms.Min,
                // If a replica has no price, keep the current replica count.
                Least = request.Scaler.Prices.RateOf(Math.Max(request.Scaler.Replicas, request.Scaler.Terms.Min) + 1) is null
                    ? request.Scaler.Replicas
                    : least,
                Wanted = request.Demand.Wanted,
                Has = request.Scaler.Replicas,
                Max = request.Scaler.Terms.Max,
                Prices = request.Scaler.Prices,
            };
        var fair = FairShareAllocator.Divide(affordable.PerHour, [.. requests.Select(request => ShareRequestOf(request, 0))]);
        var inUse = requests.Select((request, i) => request.Scaler.Replicas > fair[i].Replicas ? request.Scaler.Replicas : 0).ToArray();
        var now = inUse.All(replicas => replicas == 0)
            ? fair
            : FairShareAllocator.Divide(affordable.PerHour, [.. requests.Select((request, i) => ShareRequestOf(request, inUse[i]))]);
        for (var i = 0; i < requests.Count; i++)
        {
            var scaler = requests[i].Scaler;
            var unknown = scaler.Prices.RateOf(fair[i].Affordable + 1) is null && fair[i].Affordable < scaler.Terms.Max;
            var among = requests.Count == 1 ? "" : $", shared with {requests.Count - 1} other scaler{(requests.Count == 2 ? "" : "s")}";
            caps[requests[i].Key] = new(
                budget,
                fair[i].Affordable,
                now[i].Affordable,
                fair[i].PerHour,
                unknown ? "the price of a replica is unknown, so none is added"
                    : affordable.Free <= Amount.Zero ? $"budget {budget} has no budget left beyond the minimum replicas"
                    : $"budget {budget} has {affordable.Free.ToShortString()} {scaler.Currency} for replicas above the minimum, {affordable.PerHour} {scaler.Currency}/h over the {GoDuration.Format(Rounded(affordable.Until))} to its window's end{among}, {Each(scaler)}"
            );
        }
        return caps;
    }

    private static string Each(ScalerSnapshot scaler) =>
        scaler.Prices is { Live: > 0 } prices ? $"a replica costs {prices.RateOf(1)}"
        : scaler.Prices.Next is { } next ? $"a replica costs {next}"
        : "a replica's price is not known";

    private static TimeSpan Rounded(TimeSpan time) =>
        time >= TimeSpan.FromHours(1)
            ? TimeSpan.FromMinutes(Math.Floor(time.TotalMinutes))
            : TimeSpan.FromSeconds(Math.Floor(time.TotalSeconds));
}
