using System.Reflection;
using System.Text.RegularExpressions;
using Bursar.Core.Decisions;
using Bursar.Operator.Commands.Reference;
using Bursar.Operator.Http;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Unit.Docs;

/// <summary>Each reason, condition and alert of Bursar is explained in the documents.</summary>
public sealed partial class ReasonAndAlertTests
{
    private static readonly string AlertPage = Repository.Read("docs/tasks/alerts.md");

    [Fact]
    public void Every_reason_is_explained_once()
    {
        var explained = ReasonReference.Groups.SelectMany(group => group.Reasons).Select(r => r.Reason).ToArray();

        Constants(typeof(Reasons)).Should().HaveCountGreaterThan(30);
        explained.Should().BeEquivalentTo(Constants(typeof(Reasons)));
    }

    [Fact]
    public void Every_condition_type_is_explained() =>
        ReasonReference.Conditions.Select(c => c.Type).Distinct().Should().BeEquivalentTo(Constants(typeof(ConditionTypes)));

    [Fact]
    public void Every_alert_of_the_chart_has_a_section()
    {
        var rules = Repository.Read("charts/gpu-budget-operator/files/prometheus-rules.yaml");
        var alerts = Alert().Matches(rules).Select(m => m.Groups[1].Value).ToArray();

        alerts.Should().NotBeEmpty();
        alerts.Where(alert => !AlertPage.Contains($"### {alert}\n", StringComparison.Ordinal)).Should().BeEmpty();
    }

    [Fact]
    public void Alerts_use_metrics_that_the_operator_exports()
    {
        var rules = Repository.Read("charts/gpu-budget-operator/files/prometheus-rules.yaml");
        using var metrics = new OperatorMetrics(TimeProvider.System, new Uri("https://kubernetes.default.svc"));
        var asked = Expression().Matches(rules).SelectMany(m => Metric().Matches(m.Value)).Select(m => m.Value).Distinct().ToArray();

        asked.Should().NotBeEmpty();
        asked.Should().BeSubsetOf(metrics.Families.Select(family => family.Name));
    }

    private static string[] Constants(Type type) =>
        [
            .. type.GetFields(BindingFlags.Public | BindingFlags.Static)
                .Where(f => f.IsLiteral)
                .Select(f => (string)f.GetRawConstantValue()!),
        ];

    [GeneratedRegex(@"- alert: (\w+)")]
    private static partial Regex Alert();

    [GeneratedRegex(@"expr: .*")]
    private static partial Regex Expression();

    [GeneratedRegex(@"bursar_\w+")]
    private static partial Regex Metric();
}
