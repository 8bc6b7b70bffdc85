using Bursar.Core.Text;
using NodaTime;

namespace Bursar.Core.Budgets;

public enum WindowPeriod
{
    Hour,
    Day,

    /// <summary>From Monday to Sunday.</summary>
    Week,
    Month,
    Quarter,
    Year,

    /// <summary>The last <see cref="WindowSpec.Length"/> up to now, without edges.</summary>
    Rolling,

    /// <summary>A single window from <see cref="WindowSpec.Start"/> to <see cref="WindowSpec.End"/>.</summary>
    Once,
}

/// <summary>
/// The periods that a limit applies to. Zones are IANA names in NodaTime's bundled database, so that the host's time zones change no
/// amount.
/// </summary>
public sealed record WindowSpec(
    WindowPeriod Period,
    string TimeZone = "UTC",
    TimeSpan? Length = null,
    DateTimeOffset? Start = null,
    DateTimeOffset? End = null
)
{
    public static readonly TimeSpan MinLength = TimeSpan.FromMinutes(1);
    public static readonly TimeSpan MaxLength = TimeSpan.FromDays(366);

    /// <summary>
    /// Returns errors with field paths such as <c>spec.window.length</c>. Windows may be computed only if there are none.
    /// </summary>
    public IReadOnlyList<FieldError> Validate(string path)
    {
        var errors = new List<FieldError>();
        if (!Enum.IsDefined(Period))
            errors.Add(new($"{path}.period", $"\"{Period}\" is none of Hour, Day, Week, Month, Quarter, Year, Rolling, Once"));
        if (DateTimeZoneProviders.Tzdb.GetZoneOrNull(TimeZone) is null)
            errors.Add(new($"{path}.timeZone", $"no such time zone: \"{TimeZone}\""));

        if (Period == WindowPeriod.Rolling)
        {
            if (Length is null)
                errors.Add(new($"{path}.length", "is required with period Rolling"));
            else if (Length < MinLength || Length > MaxLength)
                errors.Add(new($"{path}.length", $"must be between {GoDuration.Format(MinLength)} and {GoDuration.Format(MaxLength)}"));
        }
        else if (Length is not null)
            errors.Add(new($"{path}.length", "is for period Rolling only"));

        if (Period == WindowPeriod.Once)
        {
            if (Start is null)
                errors.Add(new($"{path}.start", "is required with period Once"));
            if (End is null)
                errors.Add(new($"{path}.end", "is required with period Once"));
            if (Start is { } start && End is { } end && end <= start)
                errors.Add(new($"{path}.end", "must be after start"));
        }
        else
        {
            if (Start is not null)
                errors.Add(new($"{path}.start", "is for period Once only"));
            if (End is not null)
                errors.Add(new($"{path}.end", "is for period Once only"));
        }
        return errors;
    }

    internal DateTimeZone Zone => DateTimeZoneProviders.Tzdb[TimeZone];
}
