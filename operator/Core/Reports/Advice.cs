using System.Globalization;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Prices;

namespace Bursar.Core.Reports;

/// <summary>Derives advice from the figures of one workload.</summary>
public static class Advice
{
    /// <summary>Shorter measurements show nothing.</summary>
    private static readonly TimeSpan EnoughMeasured = TimeSpan.FromMinutes(10);

    /// <summary>A GPU that is busy for less than this share of the time is waiting.</summary>
    private const double LowActivity = 0.20;

    /// <summary>A server that produces more than one stream's tokens below this share can batch more.</summary>
    private const double LowActivityWithTokens = 0.50;

    /// <summary>A GPU that is busy for more than this share works all the time.</summary>
    private const double HighActivity = 0.80;

    /// <summary>Fewer tokens per busy second than this share of one stream's are few.</summary>
    private const double FewTokens = 0.5;

    /// <summary>A smaller card must not be fuller than this.</summary>
    private const double FullEnough = 0.8;

    /// <summary>A smaller factor is not worth a move.</summary>
    private const double WorthMoving = 1.5;

    private const int MiB = 1024;

    /// <param name="row">The row of a workload.</param>
    /// <param name="rateOf">Returns the price of a model in this cluster. Null: unknown.</param>
    public static IReadOnlyList<string> For(ReportRow row, Func<GpuModel, GpuHourPrice?> rateOf)
    {
        var days = row.WholeDays;
        if (days.Activity is not { } activity || TimeSpan.FromMilliseconds(days.Usage.MeasuredMs) < EnoughMeasured)
            return [];
        var advice = new List<string>();
        var model = GpuModel.Find(row.Product);
        var tokens = days.Tokens;
        var perSecond = tokens.Generated / (days.Usage.MeasuredMs / 1000.0);
        var seen = Text(
            $"its GPUs worked {activity * 100:0.#} % of {TimeSpan.FromMilliseconds(days.Usage.MeasuredMs).TotalHours:0.#} measured GPU-hours; the rest cost {days.Idle.ToShortString()}"
        );
        if (tokens.Both > 0 && (activity < LowActivity || activity < LowActivityWithTokens && perSecond >= model?.TokensPerSecond))
            advice.Add(
                Text(
                    $"{seen}, while it made {tokens.Both:N0} tokens, {perSecond:0.#} a second and GPU: batches are small or texts long; turn on dynamic batching, cache, compute ahead, or serve it from fewer GPUs"
                )
            );
        else if (tokens.Both == 0 && activity < LowActivity)
            advice.Add($"{seen}: feed it faster, batch, or give it fewer GPUs");

        if (
            tokens.Generated > 0
            && activity >= HighActivity
            && model?.TokensPerSecond is { } yardstick
            && tokens.Generated / (days.Usage.BusyMs / 1000.0) is var busy
            && busy < FewTokens * yardstick
        )
            advice.Add(
                Text(
                    $"its GPUs worked {activity * 100:0.#} % of the time and made {busy:0.#} tokens in a busy second, where one stream on an {model.Product} makes {yardstick}: much of the work makes no token; prune or distil the model"
                )
            );

        if (Smaller(row, model, activity, rateOf) is { } smaller)
            advice.Add(smaller);
        return advice;
    }

    /// <summary>Returns the lowest price of a model in this cluster, otherwise in the price book.</summary>
    public static GpuHourPrice? RateOf(GpuLedger ledger, PriceBook? book, GpuModel model, DateTimeOffset now)
    {
        var here = ledger
            .PricedProducts()
            .Where(known => GpuModel.Find(PriceClassName.ProductOf(known)) == model)
            .Select(known => ledger.RateOf(known, now))
            .OfType<GpuHourPrice>()
            .ToArray();
        return here.Length > 0 ? here.Min() : book?.RuleFor(new(model.Product), now)?.RateFor(model.Product);
    }

    /// <summary>
    /// Suggests a smaller card for a workload that does not use a big one. A model server's memory is what it reserved at its start, not
    /// what its model needs. The need is the weights and the used part of its KV cache, if its metrics show the size of that cache.
    /// Otherwise only activity decides, and the sentence says so.
    /// </summary>
    private static string? Smaller(ReportRow row, GpuModel? model, double activity, Func<GpuModel, GpuHourPrice?> rateOf)
    {
        var (used, serves) = (row.WholeDays.MemoryMiB, row.WholeDays.Tokens.Both > 0);
        if (model is null || UnitCosts.PerGpuHour(row.WholeDays) is not { } cost || used is null && !serves)
            return null;
        var needed = serves ? row.WholeDays.NeededMiB : used;
        var paid = cost.ToDouble();
        var best = GpuModel
            .All.Where(other =>
                other != model && !(needed > FullEnough * other.MemoryGiB * MiB) && activity <= FullEnough * model.CarriedBy(other)
            )
            .Select(other => (Model: other, Rate: rateOf(other)))
            .Where(candidate => candidate.Rate is { NanoPerGpuHour: > 0 })
            .OrderBy(candidate => candidate.Rate!.Value)
            .FirstOrDefault();
        if (best.Rate is not { } rate || paid < WorthMoving * rate.NanoPerGpuHour / 1e9)
            return null;
        var memory = needed is { } need
            ? Text(
                $" and {(serves ? "needed at most" : "held")} {need / MiB:0.#} GiB{(serves ? $" of the {used / MiB ?? 0:0.#} it held (by the server's metrics: without the unused part of its KV cache)" : "")}"
            )
            : "";
        var doubt = needed is not null
            ? ""
            : Text(
                $" (by activity alone: a model server reserves its memory at the start, so the {used / MiB ?? 0:0.#} GiB that it held are not what its model needs; check that the model fits {best.Model.MemoryGiB} GiB)"
            );
        return Text(
            $"its {model.Product} at {cost.ToShortString()} an hour worked {activity * 100:0.#} % of the time{memory}: a {best.Model.Product} at {rate} would be at most {activity / model.CarriedBy(best.Model) * 100:0} % busy; it costs {paid * 1e9 / rate.NanoPerGpuHour:0.#} times as much{doubt}"
        );
    }

    private static string Text(FormattableString sentence) => sentence.ToString(CultureInfo.InvariantCulture);
}
