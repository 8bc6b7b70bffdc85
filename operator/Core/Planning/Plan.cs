using System.Globalization;

namespace Bursar.Core.Planning;

/// <summary>One line of a calculation.</summary>
/// <param name="Name">The quantity, as <c>cost per request</c>.</param>
/// <param name="Value">Exact to 28 digits.</param>
/// <param name="Unit">A currency (three capital letters), or a unit such as <c>months</c>.</param>
/// <param name="Formula">The formula with its numbers, as <c>0.75 / 3600 × 2</c>.</param>
public sealed record PlanLine(string Name, decimal Value, string Unit, string Formula)
{
    private bool IsMoney => Unit.Length == 3 && Unit.All(char.IsAsciiLetterUpper);

    /// <summary>The value for people: two places, or three digits of amounts below a cent: <c>2.30</c>, <c>0.000417</c>.</summary>
    public string Text
    {
        get
        {
            var magnitude = Math.Abs(Value);
            if (!IsMoney)
                return Value.ToString("0.##", CultureInfo.InvariantCulture);
            if (magnitude is 0 or >= 0.01m)
                return Value.ToString("0.00", CultureInfo.InvariantCulture);
            var places = 5;
            for (var unit = 0.001m; magnitude < unit && places < 12; unit /= 10)
                places++;
            return Value.ToString("0." + new string('#', places), CultureInfo.InvariantCulture);
        }
    }
}

/// <summary>The answer to a planning question: its calculation, and for a yes-or-no question the answer.</summary>
/// <param name="Lines">In the order of the calculation.</param>
/// <param name="Question">The yes-or-no question, as <c>pays back</c>. Null: there is none.</param>
/// <param name="Passes">The answer; null without a question.</param>
public sealed record Plan(IReadOnlyList<PlanLine> Lines, string? Question = null, bool? Passes = null);
