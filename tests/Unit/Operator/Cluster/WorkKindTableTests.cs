using System.Text.Json;
using Bursar.Core.Ledger;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;

namespace Bursar.Tests.Unit.Operator.Cluster;

/// <summary>Kinds of one name in different groups, such as Job of batch and of Volcano.</summary>
public sealed class WorkKindTableTests
{
    private const string VolcanoVersion = "batch.volcano.sh/v1alpha1";

    private static readonly WorkloadKind Batch = new JobKind();
    private static readonly WorkloadKind Volcano = new VolcanoJobKind("Job.batch.volcano.sh");

    public static TheoryData<bool> Orders => [false, true];

    [Theory]
    [MemberData(nameof(Orders))]
    public void Kinds_of_one_name_are_distinguished_by_group_in_any_order(bool volcanoFirst)
    {
        WorkloadKindIndex table = new(volcanoFirst ? [Volcano, Batch] : [Batch, Volcano]);

        table.Find("Job").Should().BeSameAs(Batch, "stored keys of batch's Job stay readable");
        table.Find("Job.batch.volcano.sh").Should().BeSameAs(Volcano);
        table.Find("batch/v1", "Job").Should().BeSameAs(Batch);
        table.Find("batch/v2", "Job").Should().BeSameAs(Batch);
        table.Find(VolcanoVersion, "Job").Should().BeSameAs(Volcano);
        table.Find("batch.volcano.sh.example/v1", "Job").Should().BeNull();
        table.NameOf("batch/v1", "Job").Should().Be("Job");
        table.NameOf(VolcanoVersion, "Job").Should().Be("Job.batch.volcano.sh");
    }

    [Fact]
    public void Reference_to_an_object_has_its_kind_without_the_group() =>
        Volcano.ObjectOf("train", "u").Should().Be(new ObjectRef(VolcanoVersion, "Job", "train", "u"));

    [Fact]
    public void Second_kind_with_a_bare_name_that_is_taken_is_refused() =>
        FluentActions.Invoking(() => new WorkloadKindIndex([Batch, new VolcanoJobKind("Job")])).Should().Throw<ArgumentException>();

    [Theory]
    [InlineData(VolcanoVersion, "Job", "Job.batch.volcano.sh")]
    [InlineData("batch/v1", "Job", "Job")]
    [InlineData("ray.io/v1", "RayCluster", "RayCluster")]
    [InlineData("v1", "ReplicationController", "ReplicationController")]
    public void Owner_of_a_kind_without_adapter_never_has_the_name_of_one_with(string apiVersion, string kind, string name) =>
        WorkloadKinds.NameOf(new V1OwnerReference { ApiVersion = apiVersion, Kind = kind }).Should().Be(name);

    /// <summary>The adapter of a kind that is not in the table.</summary>
    private sealed class VolcanoJobKind(string name)
        : WorkloadKind(new("batch.volcano.sh", "v1alpha1", "Job", "jobs"), WorkloadClass.Training, SuspendField)
    {
        public override string Name => name;

        public override WorkloadObject Parse(JsonElement json) => throw new NotSupportedException();

        internal override KindCache Open(KubeClient client, ClusterStores stores) => throw new NotSupportedException();

        public override Task<IReadOnlyList<WorkloadObject>> ListAsync(KubeClient client, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public override Task<WorkloadObject?> GetAsync(KubeClient client, string ns, string name, CancellationToken cancellationToken) =>
            throw new NotSupportedException();
    }
}
