"""The custom workflow `backup`: copy, verify, rotate, for every backup job of the deployment."""

from cloudify.decorators import workflow


@workflow(resumable=True)
def backup(ctx, verify=True, **_):
    """Run the steps of each job in sequence, the jobs in parallel; a failed step stops its job alone."""
    graph = ctx.graph_mode()
    steps = ["backup.copy", *(["backup.verify"] if verify else []), "backup.rotate"]
    for node in ctx.nodes:
        if "backup.nodes.Job" not in node.type_hierarchy:
            continue
        for instance in node.instances:
            sequence = graph.sequence()
            sequence.add(instance.send_event("Backing up"))
            sequence.add(*[instance.execute_operation(step) for step in steps])
            sequence.add(instance.send_event("Backup done"))
    return graph.execute()
