using System.Text.Json;
using Bursar.Api;
using Bursar.Kubernetes.Objects;

namespace Bursar.Tests.Unit.Api;

public sealed class ApiJsonTests
{
    [Fact]
    public void Budget_keeps_its_texts_when_it_is_read()
    {
        var budget = JsonSerializer.Deserialize(
            """
            {"apiVersion": "bursar.dev/v1alpha1", "kind": "GpuBudget", "metadata": {"name": "nlp", "namespace": "team", "uid": "u"},
             "spec": {"limit": {"cost": "2.50"}, "selector": {"matchLabels": {"team": "nlp"}}, "thresholds": [10], "later": {"x": 1}}}
            """,
            V1Alpha1GpuBudget.JsonTypeInfo
        )!;
        budget.Metadata.Name.Should().Be("nlp");
        budget.Spec!.Limit!.Cost.Should().Be("2.50");
        budget.Spec.Selector!.MatchLabels.Should().Equal(new Dictionary<string, string> { ["team"] = "nlp" });
        budget.Spec.Thresholds.Should().Equal(10);
        budget.Spec.Window!.Period.Should().Be("Month");
        budget.Spec.Training!.Resume!.HeadroomPercent.Should().Be(5);
    }

    [Fact]
    public void Status_to_apply_claims_no_field_of_the_spec()
    {
        var text = JsonSerializer.Serialize(
            new V1Alpha1GpuBudget
            {
                Metadata = new V1ObjectMeta { Name = "nlp", Namespace = "team" },
                Status = new GpuBudgetStatus
                {
                    State = "OnTrack",
                    Workloads = [],
                    SuspendedCount = 0,
                },
            },
            V1Alpha1GpuBudget.JsonTypeInfo
        );
        JsonDocument
            .Parse(text)
            .RootElement.EnumerateObject()
            .Select(p => p.Name)
            .Should()
            .BeEquivalentTo("apiVersion", "kind", "metadata", "status");
        text.Should().Contain("\"suspendedCount\":0").And.NotContain("workloads");
    }

    [Fact]
    public void Ledger_object_keeps_its_data_unchanged()
    {
        const string text =
            """{"apiVersion":"bursar.dev/v1alpha1","kind":"GpuLedger","metadata":{"name":"a"},"spec":{"kind":"pods","shard":1,"data":{"z":[1,"2"],"a":null}}}""";
        var ledger = JsonSerializer.Deserialize(text, V1Alpha1GpuLedger.JsonTypeInfo)!;
        ledger.Spec!.Data.GetRawText().Should().Be("""{"z":[1,"2"],"a":null}""");
        JsonSerializer.Serialize(ledger, V1Alpha1GpuLedger.JsonTypeInfo).Should().Contain("\"data\":{\"z\":[1,\"2\"],\"a\":null}");
    }
}
