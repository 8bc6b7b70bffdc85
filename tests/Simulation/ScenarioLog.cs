using System.Globalization;
using System.Text;

namespace Bursar.Tests.Simulation;

/// <summary>The log of a scenario for readers: time, actor, action, with the amounts.</summary>
public sealed class ScenarioLog
{
    private readonly StringBuilder _text = new();

    public void Write(DateTimeOffset at, string actor, string what) =>
        _text
            .Append(at.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture))
            .Append("  ")
            .Append(actor.PadRight(9))
            .Append(' ')
            .Append(what)
            .Append('\n');

    public override string ToString() => _text.ToString();
}
