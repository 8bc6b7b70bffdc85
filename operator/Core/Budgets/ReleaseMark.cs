using System.Globalization;
using Bursar.Core.Text;

namespace Bursar.Core.Budgets;

/// <summary>
/// A user's instruction on a budget to resume what it has suspended and to suspend nothing, as <c>bursar release gpub/NAME</c> writes it.
/// It holds for the spec and the window that it was written for. Text form: <c>GENERATION@TIME</c>.
/// </summary>
public sealed record ReleaseMark(long Generation, DateTimeOffset At)
{
    /// <summary>Null for a text that cannot be read, which releases nothing.</summary>
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

    /// <summary>The instruction in a text, where it holds; null otherwise.</summary>
    public static ReleaseMark? InForce(string? text, long generation, WindowSpec window, DateTimeOffset now) =>
        Parse(text) is { } mark && mark.Holds(generation, window, now) ? mark : null;

    public bool Holds(long generation, WindowSpec window, DateTimeOffset now) =>
        generation == Generation && Window.At(window, At).Key == Window.At(window, now).Key;

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Generation}@{Rfc3339.Format(At)}");
}
