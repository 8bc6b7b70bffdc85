using System.Globalization;
using Bursar.Core.Text;

namespace Bursar.Core.Budgets;

/// <summary>
/// A user's instruction that a budget resumes what it has suspended and suspends nothing, as written by <c>bursar release gpub/NAME</c>. It
/// applies to the spec and the window for which it was written. Text form: <c>GENERATION@TIME</c>.
/// </summary>
public sealed record ReleaseMark(long Generation, DateTimeOffset At)
{
    /// <summary>Returns null for unreadable text, which releases nothing.</summary>
    public static ReleaseMark? Parse(string? text)
    {
        var at = text?.IndexOf('@') ?? -1;
        return
            at > 0
            && long.TryParse(text.AsSpan(0, at), NumberStyles.None, CultureInfo.InvariantCulture, out var generation)
            && Rfc3339.TryParse(text![(at + 1)..], out var time)
            ? new(generation, time)
            : null;
    }

    /// <summary>Returns the instruction in a text if it still applies, otherwise null.</summary>
    public static ReleaseMark? InForce(string? text, long generation, WindowSpec window, DateTimeOffset now) =>
        Parse(text) is { } mark && mark.Holds(generation, window, now) ? mark : null;

    public bool Holds(long generation, WindowSpec window, DateTimeOffset now) =>
        generation == Generation && Window.At(window, At).Key == Window.At(window, now).Key;

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Generation}@{Rfc3339.Format(At)}");
}
