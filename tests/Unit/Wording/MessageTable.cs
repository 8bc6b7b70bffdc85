using System.Text;
using Bursar.Core.Budgets;
using Bursar.Core.Decisions;

namespace Bursar.Tests.Unit.Wording;

/// <summary>Messages with their reasons.</summary>
/// <param name="texts">The texts of which each needs an example.</param>
internal sealed class MessageTable(IReadOnlyCollection<string> texts)
{
    private readonly StringBuilder _rows = new();
    private readonly List<string> _missing = [.. texts];

    /// <summary>The texts without an example.</summary>
    public IReadOnlyList<string> Missing => _missing;

    public override string ToString() => _rows.ToString();

    /// <summary>Begins a section whose title names the place of its messages.</summary>
    public void Section(string place) => _rows.Append($"\n== {place}\n");

    /// <summary>Adds a message if it shows a text that no message before has shown.</summary>
    public void Add(string reason, string message)
    {
        message = message.Trim();
        if (_missing.RemoveAll(text => $" {message} ".Contains(text, StringComparison.OrdinalIgnoreCase)) > 0)
            _rows.Append($"\n{reason}\n    {message}\n");
    }

    /// <summary>Adds the messages of a decision.</summary>
    public BudgetDecision Add(BudgetSnapshot budget)
    {
        var decision = BudgetDecider.Decide(budget);
        foreach (var condition in decision.Conditions)
            Add($"{condition.Type}={condition.Status} {condition.Reason}", condition.Message);
        foreach (var announcement in decision.Announcements)
            Add($"Event {announcement.Reason}", announcement.Sentence);
        foreach (var verdict in decision.Workloads)
            Add($"{verdict.State} {verdict.Reason}", verdict.Sentence);
        return decision;
    }
}
