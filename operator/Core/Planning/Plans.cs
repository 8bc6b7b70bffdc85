using System.Globalization;

namespace Bursar.Core.Planning;

/// <summary>A card, its price per hour and its tokens per second.</summary>
public sealed record Card(string Name, decimal PerHour, decimal TokensPerSecond);

/// <summary>
/// The calculations of <c>bursar plan</c>, each with its formula. They plan with the user's own assumptions, so they use decimals; bills and
/// decisions use <see cref="Money.Amount"/>. All arguments are positive unless said.
/// </summary>
public static class Plans
{
    private const decimal SecondsPerHour = 3600;
    private const decimal HoursPerDay = 24;

    /// <summary>Returns the cost of a request that uses GPUs for a time, and of a volume of requests.</summary>
    /// <param name="currency">Three capital letters.</param>
    /// <param name="perHour">The price of one GPU for an hour; 0 is allowed.</param>
    /// <param name="gpus">GPUs of one replica.</param>
    /// <param name="seconds">The time of a request.</param>
    /// <param name="atOnce">Requests that a replica serves at the same time, as in a batch.</param>
    /// <param name="perDay">Requests per day; null to leave out the volume.</param>
    /// <param name="days">The days of a month.</param>
    public static Plan Request(string currency, decimal perHour, int gpus, decimal seconds, int atOnce, decimal? perDay, int days)
    {
        var each = perHour * gpus * seconds / SecondsPerHour / atOnce;
        var lines = new List<PlanLine>
        {
            new(
                "cost per request",
                each,
                currency,
                $"{Show(perHour)}{Times(gpus)} / 3600 × {Show(seconds)}{(atOnce > 1 ? $" / {Show(atOnce)}" : "")}"
            ),
        };
        AddVolume(lines, currency, each, perDay, days);
        if (perDay is { } volume)
        {
            var busy = volume * seconds / (HoursPerDay * SecondsPerHour) / atOnce;
            lines.Add(
                new(
                    "replicas in use on average",
                    busy,
                    "",
                    $"{Show(volume)} × {Show(seconds)} / 86400{(atOnce > 1 ? $" / {Show(atOnce)}" : "")}"
                )
            );
            var replicas = decimal.Ceiling(busy);
            lines.Add(
                new(
                    $"cost per month of {Show(replicas)} that always {(replicas == 1 ? "runs" : "run")}",
                    replicas * gpus * perHour * HoursPerDay * days,
                    currency,
                    $"{Show(replicas)}{Times(gpus)} × {Show(perHour)} × 24 × {Show(days)}"
                )
            );
        }
        return new(lines);
    }

    /// <summary>Returns the cost of a request that is paid by its tokens.</summary>
    public static Plan TokenRequest(string currency, decimal tokens, decimal perThousand, decimal? perDay, int days)
    {
        var each = tokens / 1000 * perThousand;
        var lines = new List<PlanLine> { new("cost per request", each, currency, $"{Show(tokens)} / 1000 × {Show(perThousand)}") };
        AddVolume(lines, currency, each, perDay, days);
        return new(lines);
    }

    /// <summary>Returns the duration and the cost of a training run from the time of a step.</summary>
    public static Plan Training(string currency, decimal perHour, int gpus, decimal stepSeconds, decimal steps)
    {
        var duration = stepSeconds * steps;
        return new([
            new(
                "cost per step",
                perHour * gpus * stepSeconds / SecondsPerHour,
                currency,
                $"{Show(perHour)}{Times(gpus)} / 3600 × {Show(stepSeconds)}"
            ),
            new("duration", duration, "s", $"{Show(stepSeconds)} × {Show(steps)}"),
            new(
                "cost of the run",
                perHour * gpus * duration / SecondsPerHour,
                currency,
                $"{Show(perHour)}{Times(gpus)} / 3600 × {Show(duration)}"
            ),
        ]);
    }

    /// <summary>Compares owned hardware with rented GPUs over years. Costs of zero are allowed.</summary>
    /// <param name="currency">Three capital letters.</param>
    /// <param name="purchase">Paid at the start.</param>
    /// <param name="ownedYearly">Power, space, repairs and staff per year.</param>
    /// <param name="other">Further cost of owning over the whole time, such as depreciation.</param>
    /// <param name="rentedYearly">Rent per year.</param>
    /// <param name="rentedRunning">Cost of running what is rented, per year.</param>
    /// <param name="years">The time that is compared.</param>
    public static Plan Own(
        string currency,
        decimal purchase,
        decimal ownedYearly,
        decimal other,
        decimal rentedYearly,
        decimal rentedRunning,
        decimal years
    )
    {
        var owned = purchase + ownedYearly * years + other;
        var rented = (rentedYearly + rentedRunning) * years;
        var lines = new List<PlanLine>
        {
            new("owned", owned, currency, $"{Show(purchase)} + {Show(ownedYearly)} × {Show(years)} + {Show(other)}"),
            new("rented", rented, currency, $"({Show(rentedYearly)} + {Show(rentedRunning)}) × {Show(years)}"),
            new(
                owned <= rented ? "saved by owning" : "saved by renting",
                Math.Abs(rented - owned),
                currency,
                $"{Show(Math.Max(rented, owned))} - {Show(Math.Min(rented, owned))}"
            ),
        };
        if (rentedYearly + rentedRunning - ownedYearly is var saved and > 0)
            lines.Add(
                new(
                    "owning costs less after",
                    (purchase + other) / saved,
                    "years",
                    $"({Show(purchase)} + {Show(other)}) / ({Show(rentedYearly)} + {Show(rentedRunning)} - {Show(ownedYearly)})"
                )
            );
        return new(lines);
    }

    /// <summary>Returns the months until a saving has paid for its cost.</summary>
    public static Plan Payback(string currency, decimal cost, decimal monthlyBefore, decimal monthlyAfter)
    {
        var saving = monthlyBefore - monthlyAfter;
        var lines = new List<PlanLine> { new("saving per month", saving, currency, $"{Show(monthlyBefore)} - {Show(monthlyAfter)}") };
        if (saving > 0)
        {
            lines.Add(new("paid back after", cost / saving, "months", $"{Show(cost)} / {Show(saving)}"));
            lines.Add(new("saved in the first year", saving * 12 - cost, currency, $"{Show(saving)} × 12 - {Show(cost)}"));
        }
        return new(lines, "pays back", saving > 0);
    }

    /// <summary>Returns the tokens per unit of the currency by card, most first: what counts is not the price per hour.</summary>
    public static Plan Tokens(string currency, IEnumerable<Card> cards) =>
        new([
            .. cards
                .OrderByDescending(card => card.TokensPerSecond / card.PerHour)
                .SelectMany(card =>
                    (PlanLine[])
                        [
                            new(
                                card.Name,
                                card.TokensPerSecond * SecondsPerHour / card.PerHour,
                                $"tokens per {currency}",
                                $"{Show(card.TokensPerSecond)} × 3600 / {Show(card.PerHour)}"
                            ),
                            new(
                                $"{card.Name}: a million tokens",
                                1_000_000 * card.PerHour / (card.TokensPerSecond * SecondsPerHour),
                                currency,
                                $"1000000 × {Show(card.PerHour)} / ({Show(card.TokensPerSecond)} × 3600)"
                            ),
                        ]
                ),
        ]);

    /// <summary>Whether a new model may go live: enough accuracy gained for the cost that is added.</summary>
    /// <param name="accuracyBefore">In percent.</param>
    /// <param name="accuracyAfter">In percent.</param>
    /// <param name="costBefore">Of the same amount of work, as 1,000 requests.</param>
    /// <param name="costAfter">Of the same amount of work.</param>
    /// <param name="minPoints">The percentage points that must be gained at least.</param>
    /// <param name="maxPercent">The cost that may be added at most.</param>
    public static Plan Gate(
        decimal accuracyBefore,
        decimal accuracyAfter,
        decimal costBefore,
        decimal costAfter,
        decimal minPoints,
        decimal maxPercent
    )
    {
        var gained = accuracyAfter - accuracyBefore;
        // The comparison is a product, because a quotient would be rounded.
        var isCheap = (costAfter - costBefore) * 100 <= maxPercent * costBefore;
        return new(
            [
                new("accuracy gained", gained, "points", $"{Show(accuracyAfter)} - {Show(accuracyBefore)}, at least {Show(minPoints)}"),
                new(
                    "cost added",
                    (costAfter - costBefore) * 100 / costBefore,
                    "%",
                    $"({Show(costAfter)} - {Show(costBefore)}) / {Show(costBefore)}, at most {Show(maxPercent)} %"
                ),
            ],
            "new model may go live",
            gained >= minPoints && isCheap
        );
    }

    private static void AddVolume(List<PlanLine> lines, string currency, decimal each, decimal? perDay, int days)
    {
        lines.Add(new("cost per 1,000 requests", each * 1000, currency, $"{Show(each)} × 1000"));
        if (perDay is not { } volume)
            return;
        lines.Add(new("cost per day", each * volume, currency, $"{Show(each)} × {Show(volume)}"));
        lines.Add(new("cost per month", each * volume * days, currency, $"{Show(each)} × {Show(volume)} × {Show(days)}"));
    }

    private static string Times(int gpus) => gpus > 1 ? $" × {Show(gpus)}" : "";

    /// <summary>Formats a number of a formula, with at most twelve places.</summary>
    private static string Show(decimal value) => value.ToString("0.############", CultureInfo.InvariantCulture);
}
