using System.Globalization;
using Bursar.Core.Budgets;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Prices;
using Bursar.Core.Text;

namespace Bursar.Api;

/// <summary>Converts a <c>GpuPriceBook</c> to <see cref="PriceBook"/>, and the default and imported books back to objects.</summary>
public static class GpuPriceBookReader
{
    private const int MostRates = 500;
    private static readonly TimeSpan LongestLifetime = TimeSpan.FromHours(876_000);

    /// <summary>
    /// Returns the default book, or null. The oldest of several counts, so that a second default by mistake changes no price.
    /// </summary>
    public static V1Alpha1GpuPriceBook? Chosen(IEnumerable<V1Alpha1GpuPriceBook> books) =>
        books
            .Where(book => book.Spec?.Default == true && book.Metadata.DeletionTimestamp is null)
            .OrderBy(book => book.Metadata.CreationTimestamp)
            .ThenBy(book => book.Metadata.Name, StringComparer.Ordinal)
            .FirstOrDefault();

    public static IReadOnlyList<FieldError> Read(V1Alpha1GpuPriceBook book, out PriceBook? read)
    {
        var errors = new List<FieldError>();
        read = null;
        MistypedSpec.Report(book.Metadata, "spec", errors);
        if (book.Spec is not { } spec)
        {
            errors.Add(new("spec", "is required"));
            return errors;
        }
        var currency = spec.Currency ?? "";
        if (currency.Length != 3 || !currency.All(char.IsAsciiLetterUpper))
            errors.Add(new("spec.currency", "is required: three capital letters, as USD"));
        var rules = new List<PriceRule>();
        var rates = spec.Rates ?? [];
        if (rates.Count > MostRates)
            errors.Add(
                new(
                    "spec.rates",
                    string.Create(CultureInfo.InvariantCulture, $"has {rates.Count} entries, at most {MostRates} are allowed")
                )
            );
        for (var i = 0; i < Math.Min(rates.Count, MostRates); i++)
            rules.Add(ReadRule(rates[i], $"spec.rates[{i}]", errors));
        var guard = ReadGuard(spec.Guard ?? new(), errors);
        var intensity = spec.GridIntensity is null ? null : ReadIntensity(spec.GridIntensity, "spec.gridIntensity", errors);
        long? accepted = null;
        if (book.Metadata.Annotations.TryGetValue(BursarAnnotations.AcceptGeneration, out var text))
        {
            if (long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var generation))
                accepted = generation;
            // An invalid annotation accepts nothing, but the prices stay in use.
        }
        if (errors.Count == 0)
            read = new(book.Metadata.Name, book.Metadata.Generation, currency, rules)
            {
                Guard = guard,
                AcceptedGeneration = accepted,
                GridIntensity = intensity,
            };
        return errors;
    }

    private static GridIntensity? ReadIntensity(GpuPriceGridIntensity intensity, string path, List<FieldError> errors)
    {
        var before = errors.Count;
        var zone = intensity.TimeZone ?? "UTC";
        if (new WindowSpec(WindowPeriod.Day, zone).Validate(path) is { Count: > 0 } wrong)
            errors.AddRange(wrong);
        var hours = new List<(int, long)>();
        if (intensity.GramsPerKWh is null == intensity.Hours is not { Count: > 0 })
            errors.Add(new(path, "needs either gramsPerKWh or hours, and not both"));
        else if (intensity.GramsPerKWh is { } all)
            hours.Add((0, ReadGrams(all, $"{path}.gramsPerKWh", errors)));
        else
            for (var i = 0; i < intensity.Hours!.Count; i++)
            {
                var one = intensity.Hours[i];
                if (one.From is not (>= 0 and <= 23))
                    errors.Add(new($"{path}.hours[{i}].from", "is required: an hour from 0 to 23"));
                else if (intensity.Hours.Take(i).Any(other => other.From >= one.From))
                    errors.Add(new($"{path}.hours[{i}].from", "must be later than the hour before it"));
                hours.Add((one.From ?? 0, ReadGrams(one.GramsPerKWh, $"{path}.hours[{i}].gramsPerKWh", errors)));
            }
        return errors.Count == before ? new(zone, hours) : null;
    }

    private static long ReadGrams(string? text, string path, List<FieldError> errors)
    {
        if (DecimalText.TryParse(text, out var grams) && grams <= 9_999 && grams * 1000 == decimal.Truncate(grams * 1000))
            return (long)(grams * 1000);
        errors.Add(
            text is null
                ? new(path, "is required")
                : new(path, $"\"{Shorten(text)}\" is not a number up to 9999 with at most three decimal places")
        );
        return 0;
    }

    /// <summary>Creates the object of a price book, for the default book of the operator and for imports.</summary>
    public static V1Alpha1GpuPriceBook ToObject(PriceBook book, bool isDefault = true) =>
        new()
        {
            Metadata = new() { Name = book.Name },
            Spec = new()
            {
                Default = isDefault,
                Currency = book.Currency,
                Rates = [.. book.Rates.Select(ToObject)],
                Guard = new()
                {
                    MinPerGpuHour = book.Guard.Min?.ToString(),
                    MaxPerGpuHour = book.Guard.Max?.ToString(),
                    MaxJumpPercent = book.Guard.MaxJumpPercent,
                },
            },
        };

    private static GpuPriceRate ToObject(PriceRule rule) =>
        new()
        {
            Match = new()
            {
                Product = rule.Match.Product,
                CapacityType = rule.Match.CapacityType,
                Region = rule.Match.Region,
                InstanceType = rule.Match.InstanceType,
                NodeSelector = rule.Match.NodeSelector.IsEmpty
                    ? null
                    : new()
                    {
                        MatchLabels = rule.Match.NodeSelector.MatchLabels.Count == 0 ? null : rule.Match.NodeSelector.MatchLabels,
                        MatchExpressions =
                            rule.Match.NodeSelector.MatchExpressions.Count == 0
                                ? null
                                :
                                [
                                    .. rule.Match.NodeSelector.MatchExpressions.Select(e => new WorkloadSelectorTerm
                                    {
                                        Key = e.Key,
                                        Operator = e.Operator,
                                        Values = e.Values.Count == 0 ? null : e.Values,
                                    }),
                                ],
                    },
            },
            PerGpuHour = rule.PerGpuHour?.ToString(),
            From = rule.From is { } from ? Rfc3339.Format(from) : null,
            Note = rule.Note,
        };

    private static PriceRule ReadRule(GpuPriceRate rate, string path, List<FieldError> errors)
    {
        var given = rate.Match ?? new();
        var match = new PriceMatch(given.Product ?? "*")
        {
            CapacityType = given.CapacityType,
            Region = given.Region,
            InstanceType = given.InstanceType,
            NodeSelector = WorkloadSelectors.Read(given.NodeSelector, $"{path}.match.nodeSelector", errors),
        };
        DateTimeOffset? from = null;
        if (rate.From is { } date)
        {
            if (Rfc3339.TryParse(date, out var at))
                from = at;
            else
                errors.Add(new($"{path}.from", $"\"{Shorten(date)}\" is not a time such as 2026-12-01T00:00:00Z"));
        }
        if (rate.PerGpuHour is null == (rate.Owned is null))
        {
            errors.Add(new(path, "needs either perGpuHour or owned, and not both"));
            return new(match, null, rate.Note);
        }
        if (rate.Owned is { } owned)
            return new(match, null, rate.Note) { Owned = ReadOwned(owned, $"{path}.owned", errors), From = from };
        if (!GpuHourPrice.TryParse(rate.PerGpuHour, out var price))
            errors.Add(NoAmount($"{path}.perGpuHour", rate.PerGpuHour!));
        return new(match, price, rate.Note) { From = from };
    }

    private static OwnedHardware ReadOwned(GpuPriceOwned owned, string path, List<FieldError> errors)
    {
        if (!GoDuration.TryParse(owned.Lifetime, out var lifetime) || lifetime < TimeSpan.FromHours(1) || lifetime > LongestLifetime)
        {
            errors.Add(
                new(
                    $"{path}.lifetime",
                    owned.Lifetime is null
                        ? "is required"
                        : $"\"{Shorten(owned.Lifetime)}\" is not a duration from 1h to 876000h, such as 1460d"
                )
            );
            lifetime = TimeSpan.FromHours(1);
        }
        var pue = ReadDecimal(owned.Pue ?? "1", $"{path}.pue", errors);
        if (pue is < 1 or > 5)
            errors.Add(new($"{path}.pue", $"\"{Shorten(owned.Pue ?? "")}\" is not between 1 and 5"));
        if (owned.PowerWatts is < 1 or > 100_000)
            errors.Add(new($"{path}.powerWatts", "is not between 1 and 100000"));
        if (owned.PowerWatts is not null && owned.PowerPricePerKWh is null)
            errors.Add(new($"{path}.powerPricePerKWh", "is required with powerWatts"));
        return new()
        {
            CapitalCost = ReadDecimal(owned.CapitalCost, $"{path}.capitalCost", errors),
            Lifetime = lifetime,
            YearlyCost = ReadDecimal(owned.YearlyCost ?? "0", $"{path}.yearlyCost", errors),
            PowerPricePerKWh = ReadDecimal(owned.PowerPricePerKWh ?? "0", $"{path}.powerPricePerKWh", errors),
            Pue = pue,
            PowerWatts = owned.PowerWatts,
        };
    }

    private static PriceGuard ReadGuard(GpuPriceGuard guard, List<FieldError> errors)
    {
        GpuHourPrice? Bound(string? text, string path)
        {
            if (text is null)
                return null;
            if (GpuHourPrice.TryParse(text, out var rate))
                return rate;
            errors.Add(NoAmount(path, text));
            return null;
        }
        var min = Bound(guard.MinPerGpuHour, "spec.guard.minPerGpuHour");
        var max = Bound(guard.MaxPerGpuHour, "spec.guard.maxPerGpuHour");
        if (min is { } low && max is { } high && low > high)
            errors.Add(new("spec.guard.minPerGpuHour", $"{low} is more than maxPerGpuHour, {high}"));
        var jump = guard.MaxJumpPercent ?? PriceGuard.DefaultJumpPercent;
        if (jump is < 1 or > 1_000_000)
            errors.Add(new("spec.guard.maxJumpPercent", "is not between 1 and 1000000"));
        return new(min, max, jump);
    }

    private static decimal ReadDecimal(string? text, string path, List<FieldError> errors)
    {
        if (DecimalText.TryParse(text, out var value))
            return value;
        errors.Add(text is null ? new(path, "is required") : NoAmount(path, text));
        return 1;
    }

    private static FieldError NoAmount(string path, string text) =>
        new(path, $"\"{Shorten(text)}\" is not an amount: digits with an optional fraction, as \"3.06\"");

    private static string Shorten(string text) => text.Length <= 40 ? text : text[..40] + "…";
}
