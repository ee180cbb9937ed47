// Steps 2 to 6 of the interface's example, its own lines as they are written for a page. What a page has and Node has
// not stands above them: the base URL, and what step 1 would give. The clock is faster, and what is logged is kept.

const [base, code] = process.argv.slice(2);
const told = [];
const fetch = (path, options) => globalThis.fetch(base + path, options);
const setTimeout = (work, ms) => globalThis.setTimeout(work, ms / 25);
const keep = (...words) => told.push(words);
const console = { log: keep, error: keep };
const iacResponse = { code };
const ended = async () => {
  while (!told.some(([word]) => word.startsWith('Deployment'))) await new Promise((next) => setTimeout(next, 1000));
};

const deployResponse = await fetch('/api/deploy', {
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify({
    projectId: "project-123",
    iacCode: iacResponse.code
  })
});

const { jobId } = await deployResponse.json();

const checkStatus = async () => {
  const statusResponse = await fetch(`/api/deploy/status/${jobId}`);
  const status = await statusResponse.json();

  if (status.status === 'completed') {
    console.log('Deployment successful!', status.result);
  } else if (status.status === 'failed') {
    console.error('Deployment failed:', status.error);
  } else {
    console.log(`Progress: ${status.progress}%`);
    setTimeout(checkStatus, 5000); // Check again in 5 seconds
  }
};

checkStatus();

await ended();

const infraResponse = await fetch('/api/deploy/infrastructure/project-123');
const infraStatus = await infraResponse.json();

console.log('Deployment Status:', infraStatus.deploymentStatus);
console.log('Outputs:', infraStatus.deploymentOutputs);

const costsResponse = await fetch('/api/deploy/costs/project-123');
const costs = await costsResponse.json();

console.log('Monthly Cost Estimate:', costs.costs.total);

const destroyResponse = await fetch('/api/deploy/destroy', {
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify({
    projectId: "project-123"
  })
});

const { jobId: destroyJobId } = await destroyResponse.json();

process.stdout.write(JSON.stringify({ told, jobId, destroyJobId }));
