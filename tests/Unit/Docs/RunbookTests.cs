using System.Reflection;
using System.Text.RegularExpressions;
using Bursar.Core.Decisions;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Unit.Docs;

/// <summary>Whoever is woken by a word of Bursar's finds it in docs/runbook.md.</summary>
public sealed partial class RunbookTests
{
    private static readonly string Runbook = Repository.Read("docs/runbook.md");

    [Fact]
    public void Every_reason_is_explained()
    {
        var reasons = typeof(Reasons)
            .GetFields(BindingFlags.Public | BindingFlags.Static)
            .Where(f => f.IsLiteral)
            .Select(f => (string)f.GetRawConstantValue()!)
            .ToArray();

        reasons.Should().HaveCountGreaterThan(30);
        reasons
            .Where(reason => !Runbook.Contains($"| `{reason}` |", StringComparison.Ordinal))
            .Should()
            .BeEmpty("each has a line of its own in a table");
    }

    [Fact]
    public void Every_reason_the_runbook_explains_is_given_somewhere()
    {
        var explained = Line().Matches(Runbook).Select(m => m.Groups[1].Value).ToArray();
        var sources = string.Join(
            '\n',
            Directory.GetFiles(Path.Combine(Repository.Root, "operator"), "*.cs", SearchOption.AllDirectories).Select(File.ReadAllText)
        );

        explained.Should().OnlyHaveUniqueItems();
        explained.Where(word => !sources.Contains($"\"{word}\"", StringComparison.Ordinal)).Should().BeEmpty();
    }

    [Fact]
    public void Every_alert_of_the_chart_has_a_section()
    {
        var rules = Repository.Read("charts/gpu-budget-operator/files/prometheus-rules.yaml");
        var alerts = Alert().Matches(rules).Select(m => m.Groups[1].Value).ToArray();

        alerts.Should().NotBeEmpty();
        alerts.Where(alert => !Runbook.Contains($"### {alert}\n", StringComparison.Ordinal)).Should().BeEmpty();
    }

    [Fact]
    public void The_alerts_ask_for_metrics_that_the_operator_has()
    {
        var rules = Repository.Read("charts/gpu-budget-operator/files/prometheus-rules.yaml");
        var serving = string.Join(
            '\n',
            Directory.GetFiles(Path.Combine(Repository.Root, "operator/Operator/Serving"), "*.cs").Select(File.ReadAllText)
        );
        var asked = Expression().Matches(rules).SelectMany(m => Metric().Matches(m.Value)).Select(m => m.Value).Distinct().ToArray();

        asked.Should().NotBeEmpty();
        asked.Where(metric => !serving.Contains($"\"{metric}\"", StringComparison.Ordinal)).Should().BeEmpty();
    }

    [GeneratedRegex(@"^\| `([A-Z][A-Za-z]+)` \|", RegexOptions.Multiline)]
    private static partial Regex Line();

    [GeneratedRegex(@"- alert: (\w+)")]
    private static partial Regex Alert();

    [GeneratedRegex(@"expr: .*")]
    private static partial Regex Expression();

    [GeneratedRegex(@"bursar_\w+")]
    private static partial Regex Metric();
}
