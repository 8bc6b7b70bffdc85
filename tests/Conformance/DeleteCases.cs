using Bursar.Tests.TestKit.ApiServers;

namespace Bursar.Tests.Conformance;

/// <summary>Deletion: answers, preconditions, finalizers, grace, owners, namespaces.</summary>
public sealed class DeleteCases(EveryApiServer servers) : ApiCase(servers)
{
    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Deletion_answers_success_with_the_uid(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var uid = (string)(await api.PostAsync(ConfigMaps(ns), ConfigMap("x"))).Body!["metadata"]!["uid"]!;
        var reply = await api.DeleteAsync($"{ConfigMaps(ns)}/x");
        reply.Code.Should().Be(200);
        ((string?)reply.Body!["kind"]).Should().Be("Status");
        ((string?)reply.Body["status"]).Should().Be("Success");
        ((string?)reply.Body["details"]!["uid"]).Should().Be(uid);
        (await api.GetAsync($"{ConfigMaps(ns)}/x")).Code.Should().Be(404);
        (await api.DeleteAsync($"{ConfigMaps(ns)}/x")).Code.Should().Be(404);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Preconditions_are_checked_before_a_deletion(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(ConfigMaps(ns), ConfigMap("x"));
        var reply = await api.DeleteAsync($"{ConfigMaps(ns)}/x", """{"preconditions":{"uid":"11111111-2222-4333-8444-555555555555"}}""");
        reply.Code.Should().Be(409);
        reply
            .Message.Should()
            .Contain("the UID in the precondition (11111111-2222-4333-8444-555555555555) does not match the UID in record");
        (await api.DeleteAsync($"{ConfigMaps(ns)}/x", """{"preconditions":{"resourceVersion":"1"}}""")).Code.Should().Be(409);
        (await api.GetAsync($"{ConfigMaps(ns)}/x")).Code.Should().Be(200);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Finalizer_keeps_a_deleted_object(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(ConfigMaps(ns), ConfigMap("x", metadata: ""","finalizers":["example.dev/hold"]"""));
        var reply = await api.DeleteAsync($"{ConfigMaps(ns)}/x");
        reply.Code.Should().Be(200);
        reply.Body!["metadata"]!["deletionTimestamp"].Should().NotBeNull();
        ((long?)reply.Body["metadata"]!["deletionGracePeriodSeconds"]).Should().Be(0);
        var added = await api.PatchAsync($"{ConfigMaps(ns)}/x", """{"metadata":{"finalizers":["example.dev/hold","example.dev/new"]}}""");
        added.Code.Should().Be(422);
        added
            .Message.Should()
            .Contain("no new finalizers can be added if the object is being deleted, found new finalizers []string{\"example.dev/new\"}");
        (await api.PatchAsync($"{ConfigMaps(ns)}/x", """{"data":{"still":"alive"}}""")).Code.Should().Be(200);
        (await api.PatchAsync($"{ConfigMaps(ns)}/x", """{"metadata":{"finalizers":null}}""")).Code.Should().Be(200);
        (await api.GetAsync($"{ConfigMaps(ns)}/x")).Code.Should().Be(404);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Unbound_pod_is_deleted_at_once(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(Pods(ns), Pod("p"));
        var reply = await api.DeleteAsync($"{Pods(ns)}/p");
        ((string?)reply.Body!["kind"]).Should().Be("Pod");
        (await api.GetAsync($"{Pods(ns)}/p")).Code.Should().Be(404);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Bound_pod_waits_out_its_grace(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(Pods(ns), Pod("p", "\"nodeName\":\"node-that-is-not-there\",\"terminationGracePeriodSeconds\":45,"));
        var reply = await api.DeleteAsync($"{Pods(ns)}/p");
        reply.Code.Should().Be(200);
        ((long?)reply.Body!["metadata"]!["deletionGracePeriodSeconds"]).Should().Be(45);
        var shorter = await api.DeleteAsync($"{Pods(ns)}/p", """{"gracePeriodSeconds":5}""");
        ((long?)shorter.Body!["metadata"]!["deletionGracePeriodSeconds"]).Should().Be(5);
        (await api.GetAsync($"{Pods(ns)}/p")).Code.Should().Be(200);
        (await api.DeleteAsync($"{Pods(ns)}/p", """{"gracePeriodSeconds":0}""")).Code.Should().Be(200);
        (await api.GetAsync($"{Pods(ns)}/p")).Code.Should().Be(404);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Collection_is_deleted_by_selector(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(ConfigMaps(ns), ConfigMap("a", metadata: ""","labels":{"x":"1"}"""));
        await api.PostAsync(ConfigMaps(ns), ConfigMap("b", metadata: ""","labels":{"x":"1"}"""));
        await api.PostAsync(ConfigMaps(ns), ConfigMap("c"));
        (await api.DeleteAsync($"{ConfigMaps(ns)}?labelSelector=x%3D1")).Code.Should().Be(200);
        (await api.GetAsync($"{ConfigMaps(ns)}/a")).Code.Should().Be(404);
        (await api.GetAsync($"{ConfigMaps(ns)}/b")).Code.Should().Be(404);
        (await api.GetAsync($"{ConfigMaps(ns)}/c")).Code.Should().Be(200);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Dependents_follow_their_owner(string server)
    {
        var api = await On(server);
        Skip.IfNot(api.HasControllers, "no controller collects garbage on this server");
        var ns = await api.NamespaceAsync();
        var uid = await OwnerAsync(api, ns);
        (await api.DeleteAsync($"{ConfigMaps(ns)}/owner", """{"propagationPolicy":"Background"}""")).Code.Should().Be(200);
        await api.UntilAsync($"{ConfigMaps(ns)}/child", r => r.Code == 404);
        uid.Should().NotBeEmpty();
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Foreground_deletion_waits_for_blocking_dependents(string server)
    {
        var api = await On(server);
        Skip.IfNot(api.HasControllers, "no controller collects garbage on this server");
        var ns = await api.NamespaceAsync();
        await OwnerAsync(api, ns, ""","finalizers":["example.dev/hold"]""");
        var reply = await api.DeleteAsync($"{ConfigMaps(ns)}/owner", """{"propagationPolicy":"Foreground"}""");
        reply.Body!["metadata"]!["finalizers"]!.AsArray().Select(f => (string?)f).Should().Contain("foregroundDeletion");
        await api.UntilAsync($"{ConfigMaps(ns)}/child", r => r.Body!["metadata"]!["deletionTimestamp"] is not null);
        (await api.GetAsync($"{ConfigMaps(ns)}/owner")).Code.Should().Be(200);
        await api.PatchAsync($"{ConfigMaps(ns)}/child", """{"metadata":{"finalizers":null}}""");
        await api.UntilAsync($"{ConfigMaps(ns)}/child", r => r.Code == 404);
        await api.UntilAsync($"{ConfigMaps(ns)}/owner", r => r.Code == 404);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Orphans_stay_and_lose_their_owner_reference(string server)
    {
        var api = await On(server);
        Skip.IfNot(api.HasControllers, "no controller collects garbage on this server");
        var ns = await api.NamespaceAsync();
        await OwnerAsync(api, ns);
        await api.DeleteAsync($"{ConfigMaps(ns)}/owner", """{"propagationPolicy":"Orphan"}""");
        await api.UntilAsync($"{ConfigMaps(ns)}/owner", r => r.Code == 404);
        var child = await api.GetAsync($"{ConfigMaps(ns)}/child");
        child.Code.Should().Be(200);
        child.Body!["metadata"]!["ownerReferences"].Should().BeNull();
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Deletion_of_a_namespace_deletes_its_objects(string server)
    {
        var api = await On(server);
        Skip.IfNot(api.HasControllers, "no controller empties namespaces on this server");
        var ns = await api.NamespaceAsync();
        await api.PostAsync(ConfigMaps(ns), ConfigMap("x", metadata: ""","finalizers":["example.dev/hold"]"""));
        var reply = await api.DeleteAsync($"/api/v1/namespaces/{ns}");
        reply.Code.Should().Be(200);
        ((string?)reply.Body!["status"]!["phase"]).Should().Be("Terminating");
        await api.UntilAsync($"{ConfigMaps(ns)}/x", r => r.Body!["metadata"]!["deletionTimestamp"] is not null);
        var refused = await api.PostAsync(ConfigMaps(ns), ConfigMap("late"));
        refused.Code.Should().Be(403);
        refused.Message.Should().Contain($"unable to create new content in namespace {ns} because it is being terminated");
        await api.PatchAsync($"{ConfigMaps(ns)}/x", """{"metadata":{"finalizers":null}}""");
        await api.UntilAsync($"/api/v1/namespaces/{ns}", r => r.Code == 404, seconds: 40);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Job_deleted_without_a_policy_keeps_its_pods_with_a_warning(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(Jobs(ns), Job("x"));
        var reply = await api.DeleteAsync($"{Jobs(ns)}/x");
        reply.Code.Should().Be(200);
        reply.Warnings.Should().ContainSingle().Which.Should().Contain("child pods are preserved by default when jobs are deleted");
    }

    private static async Task<string> OwnerAsync(ApiServerUnderTest api, string ns, string childMetadata = "")
    {
        var uid = (string)(await api.PostAsync(ConfigMaps(ns), ConfigMap("owner"))).Body!["metadata"]!["uid"]!;
        var child = ConfigMap(
            "child",
            metadata: $$""","ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"owner","uid":"{{uid}}","blockOwnerDeletion":true}]{{childMetadata}}"""
        );
        (await api.PostAsync(ConfigMaps(ns), child)).Code.Should().Be(201);
        return uid;
    }
}
