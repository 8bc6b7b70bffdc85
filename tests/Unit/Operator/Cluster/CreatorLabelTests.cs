using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Config;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;

namespace Bursar.Tests.Unit.Operator.Cluster;

public sealed partial class CreatorLabelTests
{
    private const string Key = "bursar.dev/created-by";

    public static TheoryData<string, string> Names =>
        new()
        {
            { "alice", "alice" },
            { "Alice", "Alice" },
            { "a", "a" },
            { "alice.smith_2-x", "alice.smith_2-x" },
            { new string('a', 63), new string('a', 63) },
            { new string('a', 64), $"{new string('a', 42)}-ffe054fe7ae0cb6dc65c" },
            { "alice@example.com", "alice-example.com-ff8d9819fc0e12bf0d24" },
            { "system:serviceaccount:team-a:runner", "system-serviceaccount-team-a-runner-SHA" },
            { "oidc:https://id.example.com/realms/team#alice", "oidc-https---id.example.com-realms-team-al-SHA" },
            { "-alice", "alice-SHA" },
            { "alice-", "alice-SHA" },
            { "Алиса", "user-SHA" },
            { "alice\n", "alice-SHA" },
            { "alice-ff8d9819fc0e12bf0d24", "alice-ff8d9819fc0e12bf0d24-SHA" },
            { " ", "user-SHA" },
        };

    [Theory]
    [MemberData(nameof(Names))]
    public void Name_becomes_a_label_value(string name, string value)
    {
        var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(name)))[..20];
        CreatorLabel.ValueOf(name).Should().Be(value.Replace("SHA", hash, StringComparison.Ordinal));
        LabelValue().IsMatch(CreatorLabel.ValueOf(name)).Should().BeTrue();
    }

    [Fact]
    public void Different_names_have_different_values()
    {
        string[] names =
        [
            .. from name in (string[])["alice@example.com", "alice", "system:serviceaccount:a:b", new string('x', 80)]
            from other in (string[])
                [
                    name,
                    name.Replace('@', '/'),
                    name.Replace('@', '-'),
                    name.Replace(':', '-'),
                    name + "x",
                    name + " ",
                    name + "-",
                    name.ToUpperInvariant(),
                    CreatorLabel.ValueOf(name + "@"),
                ]
            select other,
        ];
        names.Distinct().Select(CreatorLabel.ValueOf).Should().OnlyHaveUniqueItems();
    }

    [Theory]
    [InlineData(null, "alice")]
    [InlineData("""{"apiVersion": "batch/v1", "kind": "CronJob", "name": "c", "uid": "1", "controller": true}""", "alice")]
    [InlineData("""{"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "1"}""", "alice")]
    [InlineData("""{"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "1", "controller": true}""", null)]
    public void Only_the_label_of_the_workload_itself_counts(string? owner, string? expected)
    {
        var job = WorkloadKinds
            .Find("Job")!
            .Parse(
                JsonSerializer.Deserialize<JsonElement>(
                    $$$$$$$$"""
                    {"metadata": {"name": "a", "namespace": "team", "uid": "a", "labels": {"{{{{{{{{Key}}}}}}}}": "alice", "kueue.x-k8s.io/queue-name": "night", "other": "x"}, "ownerReferences": [{{{{{{{{owner}}}}}}}}]},
                     "spec": {"template": {"metadata": {"labels": {"{{{{{{{{Key}}}}}}}}": "bob", "app": "a"}}, "spec": {"containers": []}}}}
                    """
                )
            )!;
        var labels = job.Labels;
        labels.GetValueOrDefault(Key).Should().Be(expected);
        labels
            .Keys.Should()
            .BeEquivalentTo((string[])["app", "kueue.x-k8s.io/queue-name", .. expected is null ? Array.Empty<string>() : [Key]]);
    }

    [Fact]
    public void Template_label_of_a_workload_without_the_label_does_not_count()
    {
        var deployment = WorkloadKinds
            .Find("Deployment")!
            .Parse(
                JsonSerializer.Deserialize<JsonElement>(
                    $$$$$$$$"""{"metadata": {"name": "a"}, "spec": {"template": {"metadata": {"labels": {"{{{{{{{{Key}}}}}}}}": "bob"}}, "spec": {"containers": []}}}}"""
                )
            )!;
        deployment.Labels.Should().BeEmpty();
    }

    /// <summary>The pod of an owner that Bursar does not follow has the labels of a template, which users write.</summary>
    [Fact]
    public void Label_of_a_pod_counts_only_without_an_owner()
    {
        using var client = new KubeClient(new KubeConfig { Server = new("http://127.0.0.1:1") });
        var stores = new ClusterStores(client, "bursar");
        V1Pod Pod(params V1OwnerReference[] owners) =>
            new()
            {
                Metadata = new()
                {
                    Name = "p",
                    Namespace = "team",
                    Uid = "p",
                    Labels = new Dictionary<string, string> { [Key] = "alice", ["app"] = "a" },
                    OwnerReferences = owners,
                },
            };

        PodWorkload.From(Pod(), stores)!.Labels.Keys.Should().BeEquivalentTo(Key, "app");
        PodWorkload
            .From(
                Pod(
                    new V1OwnerReference
                    {
                        ApiVersion = "argoproj.io/v1alpha1",
                        Kind = "Workflow",
                        Name = "w",
                        Uid = "w",
                        Controller = true,
                    }
                ),
                stores
            )!
            .Labels.Keys.Should()
            .BeEquivalentTo("app");
    }

    [GeneratedRegex(@"\A(([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9])\z")]
    private static partial Regex LabelValue();
}
